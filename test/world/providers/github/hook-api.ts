import { type Context, Hono } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';
import { type Books, type Caller, type CallerEnv, isAppToken, NOT_FOR_APPS, readable } from './caller.ts';
import { contentLimit } from './content-limit.ts';
import { later } from './deliveries.ts';
import { listDeliveries, redeliver, showDelivery } from './delivery-api.ts';
import { refuse } from './door.ts';
import { eventErrors, type HookError, hookBody, hookChange, nameErrors, readConfig } from './hook-fields.ts';
import { type Hook, type HookFields, hookObject } from './hooks.ts';
import { readBody } from './json-body.ts';
import { onlyPages, pageOf } from './paging.ts';
import type { Repository } from './repositories.ts';
import type { Telling } from './telling.ts';

const PAGE = '/repos/webhooks';

/** The scopes that suffice, after scopes-for-oauth-apps; `public_repo` is not said to include hooks. */
const SCOPES = {
  read: ['admin:repo_hook', 'read:repo_hook', 'repo', 'write:repo_hook'],
  write: ['admin:repo_hook', 'repo', 'write:repo_hook'],
  delete: ['admin:repo_hook', 'repo'],
};

type Need = keyof typeof SCOPES;

/** The webhooks of a repository, for its administrators (rest/repos/webhooks). */
export function hookApi(
  context: SimulatorContext,
  books: Books,
  { hooks, deliveries, pings }: Telling,
): Hono<CallerEnv> {
  const api = new Hono<CallerEnv>();

  /** Answers for the repository of the path, if the caller may do with its hooks what is needed. */
  const forRepository =
    (need: Need, answer: (c: Context<CallerEnv>, repository: Repository) => Response | Promise<Response>) =>
    async (c: Context<CallerEnv>) => {
      const name = `${c.req.param('owner')}/${c.req.param('repo')}`;
      const repository = administered(c.var.caller, name, need, books);
      const response = repository instanceof Response ? repository : await answer(c, repository);
      response.headers.set('x-accepted-oauth-scopes', SCOPES[need].join(', '));
      return response;
    };

  const forHook = (
    need: Need,
    answer: (c: Context<CallerEnv>, hook: Hook, repository: Repository) => Response | Promise<Response>,
  ) =>
    forRepository(need, (c, repository) => {
      const hook = hooks.find(repository, Number(c.req.param('hook')));
      return hook ? answer(c, hook, repository) : refuse(404, 'Not Found', PAGE);
    });

  api.get(
    '/repos/:owner/:repo/hooks',
    forRepository('read', (c, repository) => {
      const query = onlyPages.safeParse(c.req.query());
      if (!query.success) return refuse(422, 'Validation Failed', PAGE);
      const page = pageOf(c, hooks.of(repository), query.data);
      return c.json(page.map((hook) => hookObject(hook, repository)));
    }),
  );

  api.post(
    '/repos/:owner/:repo/hooks',
    forRepository('write', async (c, repository) => {
      const { caller } = c.var;
      const limited = caller.kind === 'user' && contentLimit(context, caller.record.login);
      if (limited) return limited;
      const body = await readBody(c, hookBody, PAGE);
      if (body instanceof Response) return body;
      const { name, config: wanted, ...rest } = body;
      const config = readConfig(wanted);
      if (Array.isArray(config)) return invalid([...nameErrors(name), ...config]);
      const fields = { ...rest, config };
      const errors = [...nameErrors(name), ...eventErrors(fields, hooks.of(repository))];
      if (errors.length > 0) return invalid(errors);

      const hook = hooks.create(repository, fields);
      ping(hook, repository);
      const shown = hookObject(hook, repository);
      return c.json(shown, 201, { location: shown.url });
    }),
  );

  api.get(
    '/repos/:owner/:repo/hooks/:hook',
    forHook('read', (c, hook, repository) => c.json(hookObject(hook, repository))),
  );

  api.patch(
    '/repos/:owner/:repo/hooks/:hook',
    forHook('write', async (c, hook, repository) => {
      const body = await readBody(c, hookChange, PAGE);
      if (body instanceof Response) return body;
      const config = body.config ? readConfig(body.config) : hook.config;
      if (Array.isArray(config)) return invalid(config);
      const named = [...(body.events ?? hook.events), ...body.add_events];
      const events = [...new Set(named)].filter((event) => !body.remove_events.includes(event));
      const fields: HookFields = { active: body.active ?? hook.active, events, config };
      const others = hooks.of(repository).filter(({ id }) => id !== hook.id);
      const errors = eventErrors(fields, others);
      if (errors.length > 0) return invalid(errors);
      return c.json(hookObject(hooks.change(hook, fields), repository));
    }),
  );

  api.delete(
    '/repos/:owner/:repo/hooks/:hook',
    forHook('delete', (c, hook) => {
      hooks.remove(hook);
      return c.body(null, 204);
    }),
  );

  api.post(
    '/repos/:owner/:repo/hooks/:hook/pings',
    forHook('write', (c, hook, repository) => {
      ping(hook, repository);
      return c.body(null, 204);
    }),
  );

  api.get(
    '/repos/:owner/:repo/hooks/:hook/deliveries',
    forHook('read', (c, hook) => listDeliveries(c, deliveries, hook, PAGE)),
  );

  api.get(
    '/repos/:owner/:repo/hooks/:hook/deliveries/:delivery',
    forHook('read', (c, hook) => showDelivery(c, deliveries, hook, PAGE)),
  );

  api.post(
    '/repos/:owner/:repo/hooks/:hook/deliveries/:delivery/attempts',
    forHook('write', (c, hook) => redeliver(c, deliveries, hook, PAGE)),
  );

  /** `active` decides whether anything is sent; that a ping is no exception is a guess. */
  function ping(hook: Hook, repository: Repository) {
    if (hook.active) later(() => pings.send(hook, repository));
  }

  return api;
}

/** The repository, if the caller administers it and may do so with this token; or the refusal, which tells nothing. */
function administered(caller: Caller, name: string, need: Need, books: Books): Repository | Response {
  if (caller.kind === 'installation' || isAppToken(caller.record)) {
    // The App has no permission `repository_hooks`.
    const repository = readable(caller, name, books);
    return repository instanceof Response ? repository : refuse(403, NOT_FOR_APPS, PAGE);
  }
  const { login, scopes } = caller.record;
  const repository = books.repositories.named(name);
  // An organization's owners would have to approve the OAuth App first.
  const isAdmin = repository?.owner === login;
  if (!repository || !isAdmin || !scopes.some((scope) => SCOPES[need].includes(scope))) {
    return refuse(404, 'Not Found', PAGE);
  }
  const isReadOnly = repository.archived && need !== 'read';
  return isReadOnly ? refuse(403, 'Repository was archived so is read-only.', PAGE) : repository;
}

const invalid = (errors: HookError[]) => refuse(422, 'Validation Failed', PAGE, { errors });
