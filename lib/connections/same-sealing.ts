import { type RawBuilder, sql } from 'kysely';

/**
 * SQL: whether a column holds this very sealing of its secret, be it under another data key by now. Told by the IV,
 * which `seal` draws anew and `reseal` keeps.
 */
export function isSealing(column: RawBuilder<unknown>, envelope: Uint8Array): RawBuilder<boolean> {
  return sql<boolean>`substring(${column} from 18 for 12) = substring(${envelope}::bytea from 18 for 12)`;
}
