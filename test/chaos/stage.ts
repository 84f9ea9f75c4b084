import type { Databases } from '../world/postgres.ts';
import type { World, WorldOptions } from '../world/world.ts';

/** A world with its database at hand. */
export interface StagedWorld extends World {
  database: string;
  databases: Databases;
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Where scenarios are played: in the harness, or in a test. */
export interface Stage {
  open(options?: Partial<WorldOptions>): Promise<StagedWorld>;
  /** Another Worker on the database, the providers and the KMS of a world. */
  beside(world: StagedWorld): Promise<StagedWorld>;
}

/** What a Worker must be told to live in another one's world. */
export function neighbourOptions(world: StagedWorld): Partial<WorldOptions> {
  const shared = Object.entries(world.bindings).filter(([name]) =>
    /_CLIENT_(ID|SECRET)$|^(STATE|GRANT)_KEY$|^AWS_|^KMS_/.test(name),
  );
  return { env: Object.fromEntries(shared), providerGateway: world.gateway.url };
}

/** Fires the cron of a Worker. */
export async function fire(world: World): Promise<void> {
  await fetch(`${world.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
}

/** Waits until nobody refreshes and nothing is due; the cron goes on meanwhile. */
export async function settled(world: StagedWorld, milliseconds = 120_000): Promise<void> {
  const end = Date.now() + milliseconds;
  for (let looks = 0; Date.now() < end; looks += 1) {
    const [row] = await world.sql(
      'select count(*)::integer as busy from connections where refresh_at <= now() or lease_until > now()',
    );
    if (row?.busy === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (looks % 10 === 9) await fire(world);
  }
  throw new Error('the refreshes did not settle');
}
