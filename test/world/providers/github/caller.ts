import type { Context, Next } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';
import { userOf } from './accounts.ts';
import { rateLimiter, refuse } from './door.ts';
import type { InstallationToken, InstallationTokenBook } from './installation-tokens.ts';
import { type Installation, type InstallationBook, reaches } from './installations.ts';
import type { Repository, RepositoryBook } from './repositories.ts';
import type { TokenBook, TokenRecord } from './tokens.ts';

/** Whose token the call carries. */
export type Caller =
  | { kind: 'user'; record: TokenRecord }
  | { kind: 'installation'; token: InstallationToken; installation: Installation };

export type CallerEnv = { Variables: { caller: Caller } };
export type UserEnv = { Variables: { record: TokenRecord } };

/** What remembers who may do what. */
export interface Books {
  repositories: RepositoryBook;
  tokens: TokenBook;
  installations: InstallationBook;
  installationTokens: InstallationTokenBook;
}

export const SUSPENDED = 'This installation has been suspended';
/** What a user's tokens hear once GitHub has suspended the account. */
const ACCOUNT_SUSPENDED = 'Sorry. Your account was suspended.';
export const NOT_FOR_APPS = 'Resource not accessible by integration';

/** Whether the token is a person's authorization of a GitHub App, which has permissions and no scopes. */
export const isAppToken = (record: TokenRecord) => record.token.startsWith('ghu_');

/**
 * Lets through who has a living token, and counts the call. An anonymous call is refused even where the real
 * service lets anybody read: here it is a forgotten header.
 */
export function identify(context: SimulatorContext, { tokens, installationTokens }: Books) {
  const { store, client } = context;
  const limited = rateLimiter(context);
  return async (c: Context<{ Variables: CallerEnv['Variables'] & UserEnv['Variables'] }>, next: Next) => {
    const authorization = c.req.header('authorization');
    const [, token = ''] = /^(?:bearer|token) (\S+)$/i.exec(authorization ?? '') ?? [];
    const limit = store.get<number>('settings.rateLimit') ?? 5000;
    const refusal = (status: number, message: string) => async () => {
      c.res = refuse(status, message);
    };

    const byApp = installationTokens.find(token);
    if (byApp) {
      const { id, suspendedAt } = byApp.installation;
      c.set('caller', { kind: 'installation', ...byApp });
      const answer = suspendedAt === null ? next : refusal(403, SUSPENDED);
      return limited(c, answer, { name: `installation/${id}`, limit, who: `installation ID ${id}` });
    }

    const record = tokens.find(token);
    if (!record) {
      const why = authorization === undefined ? 'Requires authentication' : 'Bad credentials';
      return limited(c, refusal(401, why), { name: 'anonymous', limit: 60, who: '192.0.2.1' });
    }
    tokens.touch(record);
    c.set('caller', { kind: 'user', record });
    c.set('record', record);
    const { id, login } = userOf(record.login);
    const isSuspended = store.get<string[]>('settings.suspendedUsers')?.includes(login) === true;
    await limited(c, isSuspended ? refusal(403, ACCOUNT_SUSPENDED) : next, {
      name: `user/${login}`,
      limit,
      who: `user ID ${id}`,
    });
    if (isAppToken(record)) return;
    c.header('x-oauth-scopes', record.scopes.join(', '));
    c.header('x-accepted-oauth-scopes', c.res.headers.get('x-accepted-oauth-scopes') ?? '');
    c.header('x-oauth-client-id', client.id);
  };
}

/** What a person's token lists. */
export function listed(record: TokenRecord, { repositories, installations }: Books): Repository[] {
  return repositories.for(record.login).filter((each) => access(record, each, installations) === 'open');
}

/** One repository by its name, as far as the caller can read it; or the refusal. */
export function readable(
  caller: Caller,
  name: string,
  { repositories, installations, installationTokens }: Books,
): Repository | Response {
  const repository = repositories.named(name);
  if (!repository) return refuse(404, 'Not Found');
  if (caller.kind === 'installation') {
    const opened = installationTokens.opened(caller.token, caller.installation);
    const isOpen = !repository.private || opened.some(({ id }) => id === repository.id);
    return isOpen ? repository : refuse(404, 'Not Found');
  }
  const how = access(caller.record, repository, installations);
  if (how === 'suspended') return refuse(403, SUSPENDED);
  return how === 'open' ? repository : refuse(404, 'Not Found');
}

/**
 * An App reaches for a person what both can reach. In an account that suspended it, it reaches nothing, not even
 * what is public (suspending-a-github-app-installation speaks of all that the account owns).
 */
function access(record: TokenRecord, repository: Repository, installations: InstallationBook) {
  if (!isAppToken(record)) {
    const isOwn = repository.owner === record.login && record.scopes.includes('repo');
    return !repository.private || isOwn ? 'open' : 'closed';
  }
  const installation = installations.of(repository.owner);
  const isShared =
    installation &&
    reaches(record.login, installation) &&
    installations.covered(installation).some(({ id }) => id === repository.id);
  if (repository.private && !isShared) return 'closed';
  return installation && installation.suspendedAt !== null ? 'suspended' : 'open';
}
