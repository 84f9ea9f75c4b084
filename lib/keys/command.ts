// `npm run keys:rewrap`, `keys:rotate`, `keys:destroy`: run by Node, not by the Worker.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { readDatabaseConfig, readKmsConfig } from '../config.ts';
import { postgres } from '../database.ts';
import { kms } from '../kms.ts';
import { newMeter } from '../meter.ts';
import { Problem } from '../problem.ts';
import { destroy } from './destroy.ts';
import { rewrap } from './rewrap.ts';
import { rotate } from './rotate.ts';
import { NotDone, type Tools } from './tools.ts';

const USAGE = `Say one of:
  npm run keys:rewrap
  npm run keys:rotate [-- TENANT_ID]
  npm run keys:destroy -- TENANT_ID [--yes]`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An empty setting is none. */
const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
const meter = newMeter();
const say: Tools['say'] = (line) => console.log(JSON.stringify(line));
const database = () => postgres(readDatabaseConfig(env), meter);
const tools = (): Tools => ({ postgres: database(), kms: kms(readKmsConfig(env), meter), say });

try {
  await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = 1;
  console.error(`not done: ${whyOf(error)}`);
}

async function run(words: string[]): Promise<void> {
  const { command, tenantId, yes } = read(words);
  if (command === 'rewrap' && tenantId === undefined && !yes) return rewrap(tools());
  if (command === 'rotate' && !yes) return rotate(tools(), tenantId);
  if (command === 'destroy' && tenantId !== undefined) {
    return destroy({ postgres: database(), say }, tenantId, yes);
  }
  throw new NotDone(USAGE);
}

function read(words: string[]): { command: string | undefined; tenantId: string | undefined; yes: boolean } {
  try {
    const { positionals, values } = parseArgs({
      args: words,
      allowPositionals: true,
      options: { yes: { type: 'boolean', default: false } },
    });
    const [command, tenantId, ...more] = positionals;
    if (more.length === 0 && (tenantId === undefined || UUID.test(tenantId))) {
      return { command, tenantId, yes: values.yes };
    }
  } catch {
    // An option that there is not.
  }
  throw new NotDone(USAGE);
}

function whyOf(error: unknown): string {
  if (error instanceof NotDone) return error.message;
  if (error instanceof Problem) {
    return `${error.reason ?? error.code}. What was done stays done: see to that, and run the same command again.`;
  }
  return `${error instanceof Error ? error.name : 'an error'} of ours. What was done stays done.`;
}
