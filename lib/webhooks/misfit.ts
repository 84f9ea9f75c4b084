import { sql } from 'kysely';
import type { Access, MissedDelivery, Provider, WantedWebhooks } from '../../providers/provider.ts';
import type { Ear } from '../connections/check-soon.ts';
import { isOwned } from '../connections/living.ts';
import type { Services } from '../services.ts';
import { askForMissed } from './missed.ts';

/** As long as a provider may take to say what it has told. */
const ASKING_MS = 8_000;

interface Suspect {
  connection_id: string;
  misfit_since: Date | null;
  complete_until: Date | null;
}

/**
 * Whether a connection's secret fits no more, where deliveries have failed their signature. A stranger can make them
 * fail; only the provider can have told us something that has never come rightly, and it is asked. Not where we choose
 * the secret, which is set again without harm, nor where a person waits who has just connected again. Undefined where
 * nothing speaks against the secret. Throws as PostgreSQL does.
 */
export async function misfitOf(
  services: Services,
  provider: Provider,
  access: Access,
  row: Suspect,
  { isWaitedFor, ear }: { isWaitedFor: boolean; ear: Ear },
): Promise<WantedWebhooks['misfit']> {
  const { misfit_since: at, complete_until: since } = row;
  if (!at) return undefined;
  if (isWaitedFor || provider.webhooks?.choices) return 'certain';
  if (!since) return 'possible';
  // Whole seconds are what providers tell: what has failed is of the same one, or before.
  const gap = { since, until: new Date(at.getTime() + 1_000), registered: [] };
  const missed = await askForMissed(services, provider, access, gap, { forMs: ASKING_MS, ear });
  if ('unable' in missed) return 'possible';
  // What was before we were told anything has come to nobody.
  const begin = Math.floor(since.getTime() / 1_000) * 1_000;
  const told = missed.deliveries.filter(({ told: { occurredAt } }) => (occurredAt?.getTime() ?? 0) >= begin);
  return (await isAnyUnknown(services, row.connection_id, told)) ? 'certain' : undefined;
}

/** Whether something of what a provider has told has never come. */
async function isAnyUnknown(
  { postgres }: Services,
  connectionId: string,
  deliveries: readonly MissedDelivery[],
): Promise<boolean> {
  const ids = deliveries.flatMap(({ told }) => told.id ?? []);
  if (ids.length === 0) return false;
  const rows = await postgres.rows(sql`
    select from unnest(${ids}::text[]) as g (id)
      join connections c on c.id = ${connectionId}::uuid and ${isOwned('c')}
    where not exists (select from events e where e.connection_id = c.id and e.delivery_id = g.id)
    limit 1`);
  return rows.length > 0;
}
