import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Agent } from '../../world/agent.ts';
import { startPostgres } from '../../world/postgres.ts';
import { applySchema } from '../../world/seed.ts';
import type { WorldOptions } from '../../world/world.ts';
import type { Stage } from '../stage.ts';
import type { Standing } from './faults.ts';

const DATABASE = 'webhooks';

/**
 * A world with a PostgreSQL of its own, which may be killed. Its Worker is started again on the same port, directory
 * and database, and tells the same agent.
 */
export async function openStanding(
  stage: Stage,
): Promise<Standing & { agent: Agent; close: () => Promise<void> }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'reeve-webhooks-'));
  const postgres = await startPostgres(path.join(directory, 'postgres'));
  await postgres.create(DATABASE);
  await applySchema(postgres, DATABASE);
  const options = { databaseUrl: postgres.url(DATABASE), directory, rateLimits: false };
  const open = async (more: Partial<WorldOptions> = {}) => ({
    ...(await stage.open({ ...options, ...more })),
    database: DATABASE,
    databases: postgres,
    sql: async (text: string, values?: unknown[]) => (await postgres.run(DATABASE, text, values ?? [])).rows,
  });
  const world = await open();
  const { agent, url } = world;
  const standing: Standing = {
    world,
    postgres,
    async restart() {
      await standing.world.kill();
      const port = Number(new URL(url).port);
      standing.world = { ...(await open({ port, env: { AGENT_EVENTS_URL: agent.url } })), agent };
    },
  };
  return Object.assign(standing, {
    agent,
    async close() {
      await standing.world.kill();
      await postgres.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  });
}
