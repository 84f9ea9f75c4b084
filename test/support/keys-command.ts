import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { root } from '../world/bundle.ts';
import type { World } from '../world/world.ts';

export interface KeysRun {
  /** Null where it was killed. */
  code: number | null;
  lines: Record<string, unknown>[];
  error: string;
}

/** The settings that the commands need; they get no others. */
const SETTINGS = /^(DATABASE_URL|NEON_FETCH_ENDPOINT|AWS_\w+|KMS_KEY_ID|AGENT_SECRET)$/;

/** Runs a command against a world as `npm run keys:…` or `agent:…` does, and kills it at the line that `killAt` says. */
export async function runKeys(
  world: Pick<World, 'bindings'>,
  words: readonly string[],
  {
    env = {},
    killAt,
  }: { env?: Record<string, string>; killAt?: (line: Record<string, unknown>) => boolean } = {},
): Promise<KeysRun> {
  const settings = Object.entries({ ...world.bindings, ...env }).filter(([name]) => SETTINGS.test(name));
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'lib/command.ts', ...words],
    { cwd: root, env: Object.fromEntries(settings) as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const lines: KeysRun['lines'] = [];
  let error = '';
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    lines.push(line);
    if (killAt?.(line)) child.kill('SIGKILL');
  });
  child.stderr.on('data', (chunk) => {
    error += String(chunk);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, lines, error };
}
