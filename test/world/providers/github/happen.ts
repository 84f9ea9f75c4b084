import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Delivered, Happening, SimulatorContext } from '../../simulator.ts';
import { accountOf, userOf } from './accounts.ts';
import type { App } from './app.ts';
import { type AppNews, INSTALLATION_ACTIONS } from './app-news.ts';
import type { Books } from './caller.ts';
import type { Delivery } from './deliveries.ts';
import { issues, pullRequest, push, star } from './event-code.ts';
import { deploymentStatus, workflowRun } from './event-delivery.ts';
import { APP_EVENTS, REPOSITORY_EVENTS } from './event-names.ts';
import { actorFor, eventBody, type Scene, type Told } from './event-parts.ts';
import { encode, type Hook } from './hooks.ts';
import { type Installation, installationNodeId, installationRecords } from './installations.ts';
import type { Repository } from './repositories.ts';
import type { Telling } from './telling.ts';

const happeningShape = z.strictObject({
  event: z.enum([...REPOSITORY_EVENTS, ...APP_EVENTS, 'ping']),
  account: z.string().default('octocat'),
  repository: z.string().optional(),
  action: z.string().optional(),
  payload: z.string().optional(),
  delivery: z.string().min(1).optional(),
  ref: z.string().optional(),
  state: z.string().optional(),
  conclusion: z.string().optional(),
});

type Wanted = z.infer<typeof happeningShape>;

/** What each event says; the others have what all have and the action that is asked for. */
const TOLD: Record<string, (scene: Scene) => Told | null> = {
  deployment_status: deploymentStatus,
  issues,
  pull_request: pullRequest,
  push,
  star,
  workflow_run: workflowRun,
};

/** More is not sent at all. */
const LARGEST = 25_000_000;

/** Lets things happen, in repositories and to the App, and tells them to whom they concern. */
export function happenings(
  context: SimulatorContext,
  app: App | null,
  { repositories, tokens, installations }: Books,
  { hooks, deliveries, news, pings }: Telling,
) {
  const { store, now } = context;

  async function happen(happening: Happening): Promise<Delivered[]> {
    const wanted = happeningShape.parse(happening);
    accountOf(wanted.account);
    return (await told(wanted)).map(({ url, guid, response, statusCode }) => ({
      url,
      id: guid,
      status: response === null ? 'no answer' : statusCode,
    }));
  }

  async function told(wanted: Wanted): Promise<Delivery[]> {
    if (Buffer.byteLength(wanted.payload ?? '') > LARGEST) return [];
    const toApp = news ? { news, wanted } : null;
    switch (wanted.event) {
      case 'github_app_authorization':
        return toApp ? authorizationRevoked(toApp) : [];
      case 'installation':
        return toApp ? installationChanged(toApp) : [];
      case 'installation_repositories':
        return toApp ? selectionChanged(toApp) : [];
      case 'ping':
        return pinged(wanted);
      default:
        return inRepository(wanted);
    }
  }

  /** The one that is named, or the account's first. */
  function placeOf({ account, repository }: Wanted): Repository {
    const place = repository === undefined ? repositories.of(account)[0] : repositories.named(repository);
    if (!place) throw new Error(`no such repository: ${repository ?? account}`);
    return place;
  }

  async function inRepository(wanted: Wanted): Promise<Delivery[]> {
    const repository = placeOf(wanted);
    const scene = { ...wanted, repository, sender: actorFor(repository.owner), now: now() };
    const said = (TOLD[wanted.event] ?? plain)(scene);
    if (said === null) return [];
    const body = eventBody(scene, said);
    const guid = wanted.delivery ?? randomUUID();
    const tell = (hook: Hook, installation: Installation | null) =>
      deliveries.send(hook, {
        guid,
        event: wanted.event,
        action: said.action,
        installation: installation?.id ?? null,
        repository: repository.id,
        ...encode(hook, wanted.payload, {
          ...body,
          ...(installation && {
            installation: { id: installation.id, node_id: installationNodeId(installation) },
          }),
        }),
      });

    const isFor = (hook: Hook) =>
      hook.active && (hook.events.includes(wanted.event) || hook.events.includes('*'));
    const sent = hooks
      .of(repository)
      .filter(isFor)
      .map((hook) => tell(hook, null));
    const [appHook, installation] = [hooks.ofApp(), installations.of(repository.owner)];
    if (appHook && installation && isFor(appHook) && isOpen(installation, repository)) {
      sent.push(tell(appHook, installation));
    }
    return Promise.all(sent);
  }

  const isOpen = (installation: Installation, repository: Repository) =>
    installation.suspendedAt === null &&
    installations.covered(installation).some(({ id }) => id === repository.id);

  async function pinged(wanted: Wanted): Promise<Delivery[]> {
    const { account: _, repository, ...wish } = wanted;
    const place = placeOf(wanted);
    const own = hooks.of(place).filter(({ active }) => active);
    const sent = own.map((hook) => pings.send(hook, place, wish));
    const appHook = hooks.ofApp();
    // The App's hook stands apart from the repositories.
    if (app && appHook && repository === undefined) sent.push(pings.sendToApp(appHook, app, wish));
    return Promise.all(sent);
  }

  function installationChanged({ news, wanted }: { news: AppNews; wanted: Wanted }): Promise<Delivery[]> {
    const action = z.enum(INSTALLATION_ACTIONS).parse(wanted.action ?? 'created');
    const { account } = wanted;
    const standing =
      installations.of(account) ??
      (action === 'created'
        ? installations.install(account, 'all')
        : installationRecords(store).findLast((record) => record.account === account));
    if (!standing) throw new Error(`never installed on ${account}`);
    return news.installation(installations.change(standing, changeOf(action, standing)), action, wanted);
  }

  function changeOf(action: (typeof INSTALLATION_ACTIONS)[number], { suspendedAt }: Installation) {
    if (action === 'deleted') return { removed: true };
    if (action === 'suspend') return { suspendedAt: suspendedAt ?? now(), suspendedBy: 'account' as const };
    return action === 'unsuspend' ? { suspendedAt: null, suspendedBy: null } : {};
  }

  function selectionChanged({ news, wanted }: { news: AppNews; wanted: Wanted }): Promise<Delivery[]> {
    const action = z.enum(['added', 'removed']).parse(wanted.action ?? 'added');
    const place = placeOf(wanted);
    const standing = installations.of(place.owner);
    if (!standing) throw new Error(`not installed on ${place.owner}`);
    const others = installations
      .covered(standing)
      .map(({ id }) => id)
      .filter((id) => id !== place.id);
    const isAll = standing.repositories === 'all';
    if (action === 'removed') {
      const after = installations.change(standing, { repositories: others });
      // From all to some, the message does not say which have gone (webhook-installation-repositories-removed).
      return news.repositories(after, action, isAll ? [] : [place], wanted);
    }
    const chosen = isAll ? 'all' : [...others, place.id];
    return news.repositories(
      installations.change(standing, { repositories: chosen }),
      action,
      [place],
      wanted,
    );
  }

  function authorizationRevoked({ news, wanted }: { news: AppNews; wanted: Wanted }): Promise<Delivery[]> {
    const { login } = userOf(wanted.account);
    tokens.revokeGrant(login);
    return news.revoked(login, wanted);
  }

  return happen;
}

const plain = ({ action }: Scene): Told => ({ action: action ?? null, fields: {} });
