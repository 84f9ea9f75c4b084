import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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
