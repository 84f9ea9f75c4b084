import { appendFileSync, mkdtempSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, inject } from 'vitest';
import { TEMPLATE } from '../global-setup.ts';
import { readModules } from '../world/bundle.ts';
import { openDescriptions } from '../world/descriptions.ts';
import { connectTo, type Databases } from '../world/postgres.ts';
import { brands, type Sessions, seed, teams, users } from '../world/seed.ts';
import { startWorld, type World, type WorldOptions } from '../world/world.ts';
import { Client } from './client.ts';

export interface TestWorld extends World {
  ada: Client;
  grace: Client;
  mallory: Client;
  sessions: Sessions;
  /** Runs SQL in this world's database and gives the rows. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  databases: Databases;
  /** Ends this world and opens it again on what it has stored: new isolates, which remember nothing. */
  reopen(): Promise<TestWorld>;
  database: string;
}

export { brands, teams, users };

/**
 * A world of a test file's own, ended after it; what it said and used is kept for the leak test. Where SPECS_DIR
 * says where the providers' descriptions are, it ends well only if all that it sent to providers fits them.
 * `standing` is the database of another world to live in.
 */
export async function openWorld(options: Partial<WorldOptions> = {}, standing?: string): Promise<TestWorld> {
  const shared = inject('directory');
  const databases = connectTo(inject('postgresPort'));
  const directory = mkdtempSync(path.join(shared, 'world-'));
  const database =
    standing ??
    `test_${path.basename(directory).replace(/\W/g, '_').toLowerCase()}_${process.hrtime.bigint()}`;
  const keep = (file: string) => (line: string) =>
    appendFileSync(path.join(shared, file), `${JSON.stringify(line)}\n`);
  const onSecret = keep('secrets.jsonl');
  const keepDescribed = keep('described.jsonl');

  if (standing === undefined) await databases.create(database, TEMPLATE);
  const sessions = await seed(databases, database);
  for (const token of Object.values(sessions)) onSecret(token);

  const open = async (): Promise<TestWorld> => {
    const world = await startWorld({
      databaseUrl: databases.url(database),
      modules: readModules(path.join(shared, 'bundle')),
      directory,
      rateLimits: false,
      hurried: true,
      onLog: keep('logs.jsonl'),
      onSecret,
      descriptions: openDescriptions(process.env.SPECS_DIR),
      ...options,
    });
    let isOpen = true;
    const close = async () => {
      if (isOpen) await world.close();
      isOpen = false;
    };
    // The last to be registered is the first to run: what the Worker sends until it has ended counts too.
    afterAll(() => {
      const { counts, fitting, violations, notDescribed } = world.gateway.described;
      keepDescribed(JSON.stringify({ counts, fitting, violations, notDescribed }));
      expect(violations, 'requests that do not fit the description of their provider').toEqual([]);
      expect(world.memory.exceeded, 'how often the isolate was killed for its memory').toBe(
        options.kills ?? 0,
      );
    });
    afterAll(close);
    return {
      ...world,
      close,
      sessions,
      databases,
      database,
      ada: new Client(world, sessions.ada),
      grace: new Client(world, sessions.grace),
      mallory: new Client(world, sessions.mallory),
      sql: async (text, values) => (await databases.run(database, text, values ?? [])).rows,
      reopen: async () => {
        await close();
        return open();
      },
    };
  };
  return open();
}
