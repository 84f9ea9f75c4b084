import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundle } from './world/bundle.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema } from './world/seed.ts';

export const TEMPLATE = 'reeve_template';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where this run keeps its bundle, its database, and for the leak test all that was said and done. */
    directory: string;
    postgresPort: number;
  }
}

/** One PostgreSQL and one bundle for the whole run; each test file makes its own world on them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(path.join(tmpdir(), 'reeve-test-'));
  const [postgres] = await Promise.all([
    startPostgres(path.join(directory, 'postgres')),
    bundle('test/world/worker.ts', path.join(directory, 'bundle')),
  ]);
  await postgres.create(TEMPLATE);
  await applySchema(postgres, TEMPLATE);
  project.provide('directory', directory);
  project.provide('postgresPort', postgres.port);
  return async () => {
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}
