import { sql } from 'kysely';
import type { Provider } from '../../providers/provider.ts';
import { isOwned } from '../connections/living.ts';
import type { ConnectionStatus } from '../connections/row.ts';
import { Problem, unavailable } from '../problem.ts';
import { rateLimited } from '../provider-failure.ts';
import type { Services } from '../services.ts';
import { claim, isLimited } from './claim.ts';
import { type Failure, isOutage } from './failed.ts';
import { isRenewable } from './outcome.ts';
import { type Result, refresh } from './refresh.ts';

/** How long somebody else's refresh is waited for. */
const PATIENCE_MS = 8_000;
const POLL_MS = 150;

/** What is known of a connection whose access token is about to be used. */
export interface Used {
  connection_id: string;
  status: ConnectionStatus;
  version: number;
  /** Less than a minute is left of its access token, by PostgreSQL's clock. */
  is_ending: boolean;
  /** Refreshes in a row that came to nothing. */
  failures: number;
  has_refresh_token: boolean;
}

interface Standing {
  status: ConnectionStatus;
  version: number;
  failures: number;
  /** Why nobody of the provider is refreshed at the moment. */
  paused_for: 'client_refused' | 'rate_limited' | null;
  /** Whether the provider refuses our client, not this connection alone. */
  is_client_refused: boolean | null;
}

/**
 * Sees to it that an access token lives long enough to be used: it is renewed where it is about to end, once
 * however many ask at the same time. `unchanged` where there was no need, `changed` where the row stands
 * otherwise now. `why` is for one that has a while to live: `refused` where the provider does not take it all the same,
 * since another sign-in or a refresh may have come in its place; `asked` where it is to be known whether another is to
 * be had, which changes nothing where the provider does not say. Throws what keeps the provider from answering, and `unavailable` where
 * somebody else takes long, or has just failed.
 */
export async function freshen(
  services: Services,
  provider: Provider,
  used: Used,
  why?: 'refused' | 'asked',
): Promise<'unchanged' | 'changed'> {
  const isRefused = why === 'refused';
  if (
    used.status !== 'connected' ||
    !(why !== undefined || used.is_ending) ||
    !isRenewable(provider, used.has_refresh_token)
  )
    return 'unchanged';
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; ) {
    const [claimed] = await claim(services, [used.connection_id], {
      limit: 1,
      version: used.version,
    });
    if (claimed) {
      let failure: Failure | undefined;
      const row = { ...claimed, is_refused: isRefused, is_asked: why === 'asked' && !used.is_ending };
      const result = await refresh(services, row, (what) => {
        failure = what;
      });
      // One connection whose token and client are refused alike is over; where it is our client, others say so too.
      if (!isRefused || result !== 'client_refused') return told(provider, result, failure);
      const standing = await read(services, used.connection_id);
      return standing?.is_client_refused ? told(provider, result, failure) : 'unchanged';
    }
    const standing = await read(services, used.connection_id);
    if (!standing || standing.version !== used.version || standing.status !== 'connected') return 'changed';
    if (standing.paused_for) throw told(provider, standing.paused_for);
    if (standing.failures !== used.failures) throw unavailable('somebody else could not refresh', 5);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw unavailable('somebody else is refreshing', 5);
}

/** What a refresh means for whoever needs the token now. Throws where it did not come to one. */
function told(provider: Provider, result: Result, failure?: Failure): 'changed' {
  switch (result) {
    case 'renewed':
    case 'dead':
    case 'superseded':
    case 'not_renewable':
      return 'changed';
    case 'rate_limited':
      throw rateLimited(provider, failure?.outcome === 'rate_limited' ? failure.seconds : undefined);
    case 'client_refused':
      throw new Problem(
        'unavailable',
        `${provider.name} refuses Reeve’s own app at the moment. Nothing is lost; try again later.`,
        { retryAfter: 60, reason: 'our client refused' },
      );
    case 'unknown':
      if (failure?.outcome === 'unknown' && failure.reason === 'network') {
        throw new Problem('provider_error', `${provider.name} broke off. Try again.`, {
          reason: 'refresh broken off',
        });
      }
      throw new Problem('provider_timeout', `${provider.name} did not answer in time. Try again.`, {
        reason: 'refresh unknown',
      });
    case 'down':
    case 'unreadable':
      throw new Problem('provider_error', `${provider.name} could not renew the access. Try again.`, {
        reason: `refresh ${result}`,
      });
    case 'unopenable':
    case 'fault':
    case 'spilled':
    case 'released':
      throw unavailable(`refresh ${result}`, 30);
  }
}

async function read({ postgres }: Services, id: string): Promise<Standing | undefined> {
  const rows = await postgres.rows(sql<Standing>`
    select c.status, c.version, c.failures, 
      case when s.paused_until > now() then s.reason when ${isLimited} then 'rate_limited' end as paused_for,
      ${isOutage} as is_client_refused
    from connections c left join provider_states s on s.provider = c.provider
    where c.id = ${id}::uuid and ${isOwned('c')}`);
  return rows[0];
}
