import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export interface Module {
  type: 'ESModule' | 'Text';
  path: string;
  contents: string;
}

/** Bundles an entry as a deployment would, into `directory`. */
export async function bundle(entry: string, directory: string): Promise<void> {
  const wrangler = path.join(root, 'node_modules/wrangler/bin/wrangler.js');
  await promisify(execFile)(
    process.execPath,
    [wrangler, 'deploy', entry, '--dry-run', '--outdir', directory],
    { cwd: root, env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } },
  );
}

/** Bundles an entry unless the same sources were bundled into `parent` before; gives the folder. */
export async function bundleOnce(entry: string, parent: string): Promise<string> {
  const sources = globSync(SOURCES, { cwd: root }).sort();
  const hash = createHash('sha256').update(entry);
  for (const file of sources) hash.update(`${file}\n`).update(readFileSync(path.join(root, file)));
  const directory = path.join(parent, hash.digest('hex').slice(0, 16));
  if (existsSync(directory)) return directory;
  rmSync(parent, { recursive: true, force: true });
  await bundle(entry, `${directory}.new`);
  renameSync(`${directory}.new`, directory);
  return directory;
}

/** All that a bundle is made of. */
const SOURCES = [
  '{functions,lib,providers}/**/*.{ts,tsx,css}',
  'test/world/{worker,invocation,kv-log,clock-switch}.ts',
  'wrangler.toml',
  'package-lock.json',
];

/** The modules of a bundle, the entry first. */
export function readModules(directory: string): Module[] {
  return readdirSync(directory)
    .filter((file) => /\.(js|css)$/.test(file))
    .sort((a, b) => Number(b.endsWith('.js')) - Number(a.endsWith('.js')))
    .map((file) => ({
      type: file.endsWith('.js') ? 'ESModule' : 'Text',
      path: file,
      contents: readFileSync(path.join(directory, file), 'utf8'),
    }));
}
