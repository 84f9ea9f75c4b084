import * as z from 'zod';
import { call } from './github-api.ts';
import { appAssertion, redeliver, redeliverAll } from './github-redelivery.ts';
import {
  type Access,
  type Answer,
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

const events = ['push', 'pull_request', 'deployment_status'];

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
const hooks = z.array(
  z.object({
    id: z.number().int(),
    active: z.boolean(),
    events: z.array(z.string()),
    config: z.object({ url: z.string().optional() }),
  }),
);
const hook = z.object({ id: z.number().int() });
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
): Pick<Told, 'route' | 'meaning'> {
  if (topic === 'github_app_authorization' && sender) return { route: `user:${sender.id}`, meaning: 'ended' };
  if (!installation) return {};
  // An installation reaches repositories that not everybody who sees it may see.
  if (within) return { route: `repository:${within.id}` };
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
    const answer = yield call(access, 'GET', `/user/repos?per_page=100&sort=full_name&page=${page}`);
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
    { url, secret, registered, watched },
  ): Generator<ReturnType<typeof call>, Registration, Answer> {
    const kept: Registered[] = [];
    const refused: string[] = [];
    let isUnfinished = false;
    for (const target of watched) {
      const known = registered.find((each) => isSame(each.target, target));
      const outcome = yield* hookOn(access, target, { url, secret, known });
      if (outcome === 'refused') refused.push(target);
      else if (outcome !== 'failed') kept.push({ id: outcome, target });
      else {
        isUnfinished = true;
        // It may stand, and is not forgotten.
        if (known) kept.push(known);
      }
    }
    for (const each of registered) {
      if (watched.some((target) => isSame(each.target, target))) continue;
      const { status } = yield call(access, 'DELETE', `/repos/${each.target}/hooks/${each.id}`);
      if (status === 204 || status === 404) continue;
      kept.push(each);
      isUnfinished = true;
    }
    const failed = isUnfinished
      ? 'GitHub did not do all of it at the moment. It is tried again.'
      : refused.length > 0
        ? `GitHub lets only administrators of a repository watch it, and refuses ${refused.slice(0, 5).join(', ')}.`
        : undefined;
    return { registered: kept, secret, ...(failed !== undefined && { failed }) };
  },
  missed: redeliverAll,
  *unregister(access, { registered }) {
    for (const { id, target } of registered) {
      const { status } = yield call(access, 'DELETE', `/repos/${target}/hooks/${id}`);
      if (status === 401) return true;
      if (status !== 204 && status !== 404 && status !== 403) return false;
    }
    return true;
  },
} satisfies Webhooks;

/** The App has one webhook for all its installations: https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/using-webhooks-with-github-apps */
export const appWebhook = {
  ...common,
  clientSecrets: ({ settings }) => [settings.APP_WEBHOOK_SECRET, settings.APP_WEBHOOK_SECRET_BEFORE],
  missedByApp: {
    assertion: appAssertion,
    *ask(assertion, { since, until }): Generator<HttpRequest, Missed, Answer> {
      const end = yield* redeliver(assertion, '/app/hook/deliveries', { since, until });
      if (end === 'limited') return { unable: true };
      return { deliveries: [], until: end ?? until, hasMore: end !== undefined };
    },
  },
  *register(access): Generator<ReturnType<typeof call>, Registration, Answer> {
    const answer = yield call(access, 'GET', '/user/installations?per_page=100');
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
      const answer = yield call(access, 'GET', path);
      const found = covered.safeParse(answer.json).data?.repositories;
      if (answer.status !== 200 || !found) return undefined;
      seen.push(...found.map((each) => each.id));
      if (!/\brel="next"/.test(answer.headers.get('link') ?? '')) break;
    }
  }
  return seen;
}

/** The hook's id, or how none came of it. One that stands is adopted, with the secret of ours. */
function* hookOn(
  access: Access,
  target: string,
  { url, secret, known }: { url: string; secret: string; known: Registered | undefined },
): Generator<ReturnType<typeof call>, string, Answer> {
  const config = { url, content_type: 'json', secret, insecure_ssl: '0' };
  const wanted = { active: true, events, config };
  const hooksOfIt = `/repos/${target}/hooks`;
  if (known) {
    const { status } = yield call(access, 'PATCH', `${hooksOfIt}/${known.id}`, wanted);
    if (status === 200) return known.id;
    if (status !== 404) return 'failed';
  }
  const answer = yield call(access, 'POST', hooksOfIt, { name: 'web', ...wanted });
  if (answer.status === 201) return String(hook.safeParse(answer.json).data?.id ?? 'failed');
  if (answer.status === 404 || (answer.status === 403 && !isLimited(answer))) return 'refused';
  if (answer.status !== 422) return 'failed';
  const listed = yield call(access, 'GET', `${hooksOfIt}?per_page=100`);
  const ours = hooks.safeParse(listed.json).data?.find((each) => each.config.url === url);
  if (!ours) return 'refused';
  const { status } = yield call(access, 'PATCH', `${hooksOfIt}/${ours.id}`, wanted);
  return status === 200 ? String(ours.id) : 'failed';
}

/** https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api */
function isLimited({ headers: given }: Answer): boolean {
  return given.has('retry-after') || given.get('x-ratelimit-remaining') === '0';
}

/** Names of repositories know no case. */
function isSame(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase();
}
