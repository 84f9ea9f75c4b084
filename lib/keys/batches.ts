import { type RawBuilder, sql } from 'kysely';

/** SQL: whether a row of `data_keys k` is of the tenant that is asked about, or any is. */
export function isAsked(tenantId: string | undefined): RawBuilder<boolean> {
  return tenantId === undefined ? sql<boolean>`true` : sql<boolean>`k.tenant_id = ${tenantId}::uuid`;
}

/** Gives as many items at once to `work` as KMS is to be asked at once. */
export async function eachOf<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const next = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

const AT_ONCE = 5;

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
