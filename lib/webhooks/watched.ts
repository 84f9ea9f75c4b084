import { sql } from 'kysely';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { checkSoon, isRefusal } from '../connections/check-soon.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure } from '../provider-failure.ts';
import type { Services } from '../services.ts';
import { dueAtOnce } from './due.ts';
import { lookAfter, type Outcome } from './registration.ts';

type WatchedRow = SealedRow & { config: Config; account_id: string; status: string; watched: string[] };

export interface Choice {
  full_name: string;
  watched: boolean;
  watchable: boolean;
}

/**
 * What a connection's owner may have watched, a page at a time from 1 on, and what is. Throws `not_connected`,
 * `reauthorization_required`, and what keeps the provider from answering.
 */
export async function choicesOf(
  services: Services,
  caller: Caller,
  provider: Provider,
  page: number,
): Promise<{ choices: Choice[]; hasMore: boolean }> {
  const row = await readRow(services, caller, provider);
  const ask = provider.webhooks?.choices;
  // Elsewhere it is chosen at the provider.
  if (!ask) return { choices: [], hasMore: false };
  const access = {
    credential: await openCredential(services, row),
    config: row.config,
    client: requireClient(services.env, provider),
    pinned: row.account_id,
  };
  const { result, answer } = await askProvider(provider, access.config, ask(access, page), services.meter);
  if (isRefusal(answer)) await checkSoon(services, row.connection_id);
  if ('refused' in result) throw providerFailure(provider, answer);
  return {
    choices: result.choices.map(({ name, watchable }) => ({
      full_name: name,
      watched: isWatched(row.watched, name),
      watchable,
    })),
    hasMore: result.hasMore,
  };
}

/**
 * Sets all that is to be watched, and has it registered at once, or after whoever is at it. Throws as `choicesOf` does.
 */
export async function watch(
  services: Services,
  caller: Caller,
  provider: Provider,
  names: readonly string[],
): Promise<{ watched: string[]; error: string | null }> {
  const row = await readRow(services, caller, provider);
  // Names know no case: one thing must not be watched twice.
  const watched = [...new Map(names.map((name) => [name.toLowerCase(), name])).values()].sort();
  await services.postgres.rows(sql`
    update webhooks set watched = ${watched}::text[], failures = 0, ${dueAtOnce}
    where connection_id = ${row.connection_id}::uuid`);
  const outcome = await lookAfterInTurn(services, row.connection_id);
  return { watched, error: outcome ? outcome.error : WAITING };
}

const TURN_MS = 10_000;
const PAUSE_MS = 500;
const WAITING = 'Another change is under way. This one is made after it, within minutes: look again then.';

async function lookAfterInTurn(services: Services, connectionId: string): Promise<Outcome | undefined> {
  for (const end = Date.now() + TURN_MS; ; ) {
    const outcome =
      (await lookAfter(services, connectionId, { isWaitedFor: true })) ??
      (await outcomeOfOthers(services, connectionId));
    if (outcome || Date.now() >= end) return outcome;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** How it stands where nobody is at it, and nothing is due any more. */
async function outcomeOfOthers({ postgres }: Services, connectionId: string): Promise<Outcome | undefined> {
  const [row] = await postgres.rows(sql<Outcome>`
    select status, error from webhooks
    where connection_id = ${connectionId}::uuid and lease_id is null and check_at > now()`);
  return row;
}

async function readRow({ postgres }: Services, caller: Caller, provider: Provider): Promise<WatchedRow> {
  const rows = await postgres.rows(sql<ScopeRow & (WatchedRow | { connection_id: null })>`
    with ${callerTables(caller)}
    select ${scopeColumns}, c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.status,
      c.credential, c.refresh_token, c.config, c.account_id, coalesce(w.watched, '{}') as watched, ${dataKeyColumns}
    from session left join scope on true
    left join connections c
      on c.user_id = scope.user_id and c.brand_id is not distinct from scope.brand_id and c.provider = ${provider.id}
      and c.credential is not null
    left join webhooks w on w.connection_id = c.id
    left join data_keys k on k.id = c.data_key_id`);
  requireScope(rows[0]);
  const row = rows[0];
  if (!row || row.connection_id === null) {
    throw new Problem('not_connected', `${provider.name} is not connected here.`);
  }
  if (row.status !== 'connected') {
    throw new Problem('reauthorization_required', `Connect ${provider.name} again first.`);
  }
  return row;
}

function isWatched(watched: readonly string[], name: string): boolean {
  return watched.some((each) => each.toLowerCase() === name.toLowerCase());
}
