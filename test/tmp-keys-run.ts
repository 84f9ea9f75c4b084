import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { keyRotation } from './chaos/key-rotation.ts';
import { bundle, readModules } from './world/bundle.ts';
import { startPostgres } from './world/postgres.ts';
import { applySchema, seed } from './world/seed.ts';
import { startWorld, type World } from './world/world.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'reeve-keys-'));
const [postgres] = await Promise.all([
  startPostgres(path.join(directory, 'postgres')),
  bundle('test/world/worker.ts', path.join(directory, 'bundle')),
]);
const worlds: World[] = [];
const stage: any = {
  async open(options = {}) {
    const database = `chaos_${process.hrtime.bigint()}`;
    await postgres.create(database);
    await applySchema(postgres, database);
    await seed(postgres, database);
    const world = await startWorld({
      databaseUrl: postgres.url(database),
      modules: readModules(path.join(directory, 'bundle')),
      rateLimits: false,
      directory: mkdtempSync(path.join(directory, 'world-')),
      ...options,
    });
    worlds.push(world);
    return {
      ...world,
      database,
      databases: postgres,
      sql: async (t: string, v?: unknown[]) => (await postgres.run(database, t, v ?? [])).rows,
    };
  },
};
const started = Date.now();
try {
  for (const f of await keyRotation(stage, { rows: Number(process.argv[2]), kills: Number(process.argv[3]) }))
    console.log(f.ok ? 'ok ' : 'NOT', f.name, ':', f.got, `(must be ${f.must})`);
} catch (e) {
  console.log(e);
}
console.log((Date.now() - started) / 1000, 's');
for (const w of worlds) {
  console.log(w.logs.filter((l) => /"level":"error"|"status":5|failed|unopenable/.test(l)).slice(0, 5));
  await w.close();
}
await postgres.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(0);
