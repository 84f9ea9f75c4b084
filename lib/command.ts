// `npm run keys:…` and `npm run agent:…`: run by Node, not by the Worker.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { NotDone, type Tools } from './command-tools.ts';
import { readDatabaseConfig, readKmsConfig } from './config.ts';
import { postgres } from './database.ts';
import { openAgent, setAgent, unsetAgent } from './events/set-agent.ts';
import { destroy } from './keys/destroy.ts';
import { rewrap } from './keys/rewrap.ts';
import { rotate } from './keys/rotate.ts';
import { kms } from './kms.ts';
import { newMeter } from './meter.ts';
import { Problem } from './problem.ts';

const USAGE = `Say one of:
  npm run keys:rewrap
  npm run keys:rotate [-- TENANT_ID]
  npm run keys:destroy -- TENANT_ID [--yes]
  AGENT_SECRET=whsec_… npm run agent:set -- TENANT_ID URL
  npm run agent:unset -- TENANT_ID
  npm run agent:open [-- TENANT_ID]`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An empty setting is none. */
const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
const meter = newMeter();
const say: Tools['say'] = (line) => console.log(JSON.stringify(line));
/** What is about all tenants may take long. */
const DEADLINE_MS = 60_000;
const database = () => postgres(readDatabaseConfig(env), meter, DEADLINE_MS);
const tools = (): Tools => ({ postgres: database(), kms: kms(readKmsConfig(env), meter), say });

try {
  await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = 1;
  console.error(`not done: ${whyOf(error)}`);
}

async function run(words: string[]): Promise<void> {
  const { command, tenantId, url, yes } = read(words);
  const isAbout = { all: tenantId === undefined, one: tenantId !== undefined && url === undefined };
  if (command === 'rewrap' && isAbout.all && !yes) return rewrap(tools());
  if (command === 'rotate' && url === undefined && !yes) return rotate(tools(), tenantId);
  if (command === 'agent-open' && url === undefined && !yes) {
    return openAgent({ postgres: database(), say }, tenantId);
  }
  if (tenantId !== undefined && isAbout.one) {
    if (command === 'destroy') return destroy({ postgres: database(), say }, tenantId, yes);
    if (command === 'agent-unset' && !yes) return unsetAgent({ postgres: database(), say }, tenantId);
  }
  if (command === 'agent-set' && tenantId !== undefined && url !== undefined && !yes) {
    // By the environment: what stands in a command line others may read.
    return setAgent(tools(), tenantId, { url, secret: env.AGENT_SECRET ?? '' });
  }
  throw new NotDone(USAGE);
}

interface Words {
  command: string | undefined;
  tenantId: string | undefined;
  url: string | undefined;
  yes: boolean;
}

function read(words: string[]): Words {
  try {
    const { positionals, values } = parseArgs({
      args: words,
      allowPositionals: true,
      options: { yes: { type: 'boolean', default: false } },
    });
    const [command, tenantId, url, ...more] = positionals;
    if (more.length === 0 && (tenantId === undefined || UUID.test(tenantId))) {
      return { command, tenantId, url, yes: values.yes };
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
