import * as z from 'zod';
import { type call, list } from './github-api.ts';
import { hookOn, type Outcome, removeHook } from './github-hooks.ts';
import { appAssertion, redeliver, redeliverAll } from './github-redelivery.ts';
import {
  type Access,
  type Answer,
  type Dialogue,
  fromHex,
  type HttpRequest,
  type Missed,
  type Registered,
  type Registration,
  type Told,
  type WebhookDelivery,
  type WebhookMac,
  type Webhooks,
} from './provider.ts';

/** Seconds until what there was no time for is done. */
const SOON = 5;

const repository = z.object({ full_name: z.string() });
const times = z.object({
  repository: z.object({ id: z.number().int() }).nullish(),
  installation: z.object({ id: z.number().int() }).nullish(),
  sender: z.object({ id: z.number().int() }).nullish(),
  action: z
    .string()
    .regex(/^[\w.-]{1,60}$/)
    .optional()
    .catch(undefined),
});
/** The body that an event must have to be taken for it: the header that names it is not signed. */
const bodies = new Map<string, { body: z.ZodType; type: string }>([
  [
    'push',
    {
      body: z.object({ ref: z.string(), before: z.string(), after: z.string(), repository }),
      type: 'github.push',
    },
  ],
  [
    'pull_request',
    {
      body: z.object({ action: z.literal('opened'), pull_request: z.object({ id: z.number() }), repository }),
      type: 'github.pull_request.opened',
    },
  ],
  [
    'deployment_status',
    {
      body: z.object({
        deployment_status: z.object({ id: z.number() }),
        deployment: z.object({ id: z.number() }),
        repository,
      }),
      type: 'github.deployment.status',
    },
  ],
]);

const repositories = z.array(
  z.object({
    full_name: z.string(),
    archived: z.boolean().optional(),
    permissions: z.object({ admin: z.boolean() }).optional(),
  }),
);
const installations = z.object({
  installations: z.array(z.object({ id: z.number().int(), suspended_at: z.string().nullish() })),
});

const covered = z.object({ repositories: z.array(z.object({ id: z.number().int() })) });
const COVERED_PAGES = 50;

/** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
function readMac(header: string): WebhookMac | undefined {
  const mac = header.startsWith('sha256=') ? fromHex(header.slice(7)) : undefined;
  return mac?.length === 32 ? { macs: [mac] } : undefined;
}

function read({ headers: given, json }: WebhookDelivery): Told | undefined {
  const topic = given.get('x-github-event') ?? '';
  const id = given.get('x-github-delivery') ?? '';
  const body = times.safeParse(json).data;
  if (!/^[a-z0-9_]{1,60}$/.test(topic) || !/^[\w-]{1,100}$/.test(id) || !body) return undefined;
  const known = bodies.get(topic);
  const type = known?.body.safeParse(json).success ? known.type : undefined;
  return {
    topic: body.action === undefined ? topic : `${topic}.${body.action}`.slice(0, 100),
    ...(type !== undefined && { type }),
    id,
    facts: {},
    ...routeOf(topic, body),
  };
}

/** What the App as a whole is told, for whom, and what it means: https://docs.github.com/en/webhooks/webhook-events-and-payloads */
function routeOf(
  topic: string,
  { repository: within, installation, sender, action }: z.infer<typeof times>,
): Pick<Told, 'route' | 'within' | 'meaning'> {
  if (topic === 'github_app_authorization' && sender) return { route: `user:${sender.id}`, meaning: 'ended' };
  if (!installation) return {};
  // An installation reaches repositories that not everybody who sees it may see.
  if (within) return { route: `repository:${within.id}`, within: `installation:${installation.id}` };
  // Of a new one nobody knows yet but who has made it.
  const isNew = topic === 'installation' && action === 'created' && sender;
  const route = isNew ? `user:${sender.id}` : `installation:${installation.id}`;
  return topic === 'installation' || topic === 'installation_repositories'
    ? { route, meaning: 'changed' }
    : { route };
}

const common = {
  maxBytes: 25 * 1024 * 1024,
  signature: { header: 'x-hub-signature-256', read: readMac },
  read,
} as const;

/** Hooks on the repositories that the owner has chosen: https://docs.github.com/en/rest/repos/webhooks */
export const repositoryHooks = {
  ...common,
  *choices(access, page) {
    const answer = yield list(access, `/user/repos?per_page=100&sort=full_name&page=${page}`);
    const found = repositories.safeParse(answer.json);
    if (answer.status !== 200 || !found.success) return { refused: true };
    return {
      choices: found.data.map((each) => ({
        name: each.full_name,
        watchable: each.permissions?.admin === true && each.archived !== true,
      })),
      hasMore: /\brel="next"/.test(answer.headers.get('link') ?? ''),
    };
  },
  *register(
    access,
    { url, secret, isSecretKnown, misfit, registered, watched, until },
  ): Dialogue<Registration> {
    const isWatched = (each: Registered) => watched.some((target) => isSame(each.target, target));
    const standing = registered.filter((each) => each.id !== '' && isWatched(each));
    const fresh = watched
      .filter((target) => !standing.some((each) => isSame(each.target, target)))
      .map((target) => ({ id: '', target }));
    const leaving = registered.filter((each) => !isWatched(each));
    // The rest of what the last run had no time for. Whose secret somebody has changed nobody knows: all have it set again.
    const isGoingOn = isSecretKnown && !misfit && registered.some((each) => each.isUnseen);
    const due = isGoingOn ? standing.filter((each) => each.isUnseen) : standing;
    const kept = standing.filter((each) => !due.includes(each));
    const report: Report = { refused: [], moved: [], full: [], failed: 0, left: 0, done: 0 };
    let again: number | undefined;
    for (const each of [...fresh, ...leaving, ...due]) {
      if (again === undefined && Date.now() >= until) again = SOON;
      const outcome =
        again !== undefined
          ? ({ is: 'limited', wait: again } as const)
          : leaving.includes(each)
            ? yield* removeHook(access, each, { url, kept: [...kept, ...due] })
            : yield* hookOn(access, each, { url, secret });
      if (outcome.is === 'limited') again = outcome.wait;
      kept.push(...keptOf(each, outcome));
      count(report, each, { outcome, isLeaving: leaving.includes(each) });
    }
    const failed = sentenceOf(report);
    // Where nothing at all is done it is not asked for as often.
    return {
      registered: kept,
      secret,
      ...(failed !== undefined && { failed }),
      ...(again !== undefined && report.done > 0 && { again }),
    };
  },
  missed: redeliverAll,
  *unregister(access, { url, registered, kept }) {
    const left: Registered[] = [];
    const refused: Registered[] = [];
    for (const [at, each] of registered.entries()) {
      const outcome = yield* removeHook(access, each, { url, kept });
      if (outcome.is === 'ended') return 'out_of_reach';
      if (outcome.is === 'limited') return { left: [...left, ...refused, ...registered.slice(at)] };
      if (outcome.is === 'failed') left.push(each);
      if (outcome.is === 'refused' || outcome.is === 'unseen') refused.push(each);
    }
    if (left.length > 0) return { left: [...left, ...refused] };
    return refused.length === 0 || 'out_of_reach';
  },
} satisfies Webhooks;

/** The App has one webhook for all its installations: https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/using-webhooks-with-github-apps */
export const appWebhook = {
  ...common,
  // Who may see which repository changes without a word to the App.
  everySeconds: 3_600,
  clientSecrets: ({ settings }) => [settings.APP_WEBHOOK_SECRET, settings.APP_WEBHOOK_SECRET_BEFORE],
  missedByApp: {
    assertion: appAssertion,
    *ask(assertion, { since, until }): Generator<HttpRequest, Missed, Answer> {
      const end = yield* redeliver(assertion, '/app/hook/deliveries', { since, until });
      if (end === 'limited' || end === 'refused') return { unable: true };
      return { deliveries: [], until: end ?? until, hasMore: end !== undefined };
    },
  },
  *register(access): Generator<ReturnType<typeof call>, Registration, Answer> {
    const answer = yield list(access, '/user/installations?per_page=100');
    const found = installations.safeParse(answer.json).data?.installations;
    if (answer.status === 429) return { limited: undefined };
    if (!found) return { failed: 'GitHub does not say where the App is installed. It is asked again.' };
    // A suspended one still says when it is suspended no more.
    const active = found.filter((each) => !each.suspended_at);
    const seen = yield* seenIn(
      access,
      active.map(({ id }) => id),
    );
    if (!seen) return { failed: 'GitHub does not say what the App may see. It is asked again.' };
    const routes = [
      ...found.map(({ id }) => `installation:${id}`),
      ...seen.map((id) => `repository:${id}`),
      ...(access.pinned === undefined ? [] : [`user:${access.pinned}`]),
    ];
    return active.length > 0
      ? { registered: [], routes }
      : {
          registered: [],
          routes,
          failed: 'The App is installed nowhere yet. Install it in GitHub, and what happens there is told.',
        };
  },
} satisfies Webhooks;

/** The repositories that the person may see in installations, by id; undefined where GitHub does not tell. */
function* seenIn(
  access: Access,
  installed: readonly number[],
): Generator<ReturnType<typeof call>, number[] | undefined, Answer> {
  const seen: number[] = [];
  for (const id of installed) {
    for (let page = 1; page <= COVERED_PAGES; page += 1) {
      const path = `/user/installations/${id}/repositories?per_page=100&page=${page}`;
      const answer = yield list(access, path);
      const found = covered.safeParse(answer.json).data?.repositories;
      if (answer.status !== 200 || !found) return undefined;
      seen.push(...found.map((each) => each.id));
      if (!/\brel="next"/.test(answer.headers.get('link') ?? '')) break;
    }
  }
  return seen;
}

/** What is known of a hook from then on. */
function keptOf({ id, target }: Registered, outcome: Outcome): Registered[] {
  const known = { id, ...(target !== undefined && { target }) };
  if (outcome.is === 'gone' || outcome.is === 'unseen') return [];
  if (outcome.is === 'stands') return [{ ...known, id: outcome.id }];
  return [outcome.is === 'limited' ? { ...known, isUnseen: true } : known];
}

/** What came of all of it. */
interface Report {
  refused: string[];
  moved: string[];
  full: string[];
  failed: number;
  /** What its owner waits for, and there was no time for. */
  left: number;
  done: number;
}

function count(
  report: Report,
  { id, target = '' }: Registered,
  { outcome: { is }, isLeaving }: { outcome: Outcome; isLeaving: boolean },
): void {
  if (is === 'stands' || is === 'gone' || is === 'unseen') report.done += 1;
  // One that is looked at again stands all the while.
  else if (is === 'limited') report.left += id === '' || isLeaving ? 1 : 0;
  else if (is === 'failed' || is === 'ended') report.failed += 1;
  // One that cannot be taken away is tried again each day, and is nothing that its owner could mend.
  else if (!isLeaving) report[is].push(target);
}

function sentenceOf({ refused, moved, full, failed, left }: Report): string | undefined {
  const some = (names: string[]) => names.slice(0, 5).join(', ');
  const sentences = [
    failed + left > 0 && 'GitHub did not do all of it at the moment. It is tried again.',
    moved.length > 0 &&
      `What was renamed or moved at GitHub must be chosen again by its new name: ${some(moved)}.`,
    full.length > 0 &&
      `GitHub lets a repository have 20 webhooks at most. Take one away there, under Settings, Webhooks, and choose again: ${some(full)}.`,
    refused.length > 0 &&
      `GitHub lets only administrators of a repository watch it, and refuses ${some(refused)}.`,
  ].filter((sentence) => sentence !== false);
  return sentences.length > 0 ? sentences.join(' ') : undefined;
}

/** Names of repositories know no case. */
function isSame(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase();
}
