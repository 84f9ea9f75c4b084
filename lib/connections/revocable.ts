import { type RawBuilder, sql } from 'kysely';
import type { Provider } from '../../providers/provider.ts';

/** Whether we can end what a row of `connections` holds; `config` is its column. */
export function isRevocable({ revocation }: Provider, config: RawBuilder<unknown>): RawBuilder<boolean> {
  if (!('grant' in revocation)) return sql<boolean>`false`;
  return revocation.only === undefined
    ? sql<boolean>`true`
    : sql<boolean>`jsonb_exists(${config}, ${revocation.only})`;
}
