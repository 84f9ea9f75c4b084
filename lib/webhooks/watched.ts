import { sql } from 'kysely';
import type { Config, Provider } from '../../providers/provider.ts';
import { type Caller, callerTables, requireScope, type ScopeRow, scopeColumns } from '../access.ts';
import { requireClient } from '../catalog.ts';
import { openCredential, type SealedRow } from '../connections/sealed.ts';
import { dataKeyColumns } from '../connections/snapshot.ts';
import { Problem } from '../problem.ts';
import { askProvider, providerFailure } from '../provider-failure.ts';
import type { Services } from '../services.ts';
import { lookAfter } from './registration.ts';

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
  const { result, answer } = await askProvider(provider, ask(access, page), services.meter);
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

/** Sets all that is to be watched, and has it registered at once. Throws as `choicesOf` does, and `in_progress`. */
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
    update webhooks set watched = ${watched}::text[], check_at = least(check_at, now()), failures = 0
    where connection_id = ${row.connection_id}::uuid`);
  const outcome = await lookAfter(services, row.connection_id, { isWaitedFor: true });
  if (!outcome) {
    throw new Problem('in_progress', 'It is being changed by another request. Look again in a moment.');
  }
  return { watched, error: outcome.error };
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
