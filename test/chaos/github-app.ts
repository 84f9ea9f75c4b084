import { createCipheriv } from 'node:crypto';
import { githubAppSettings, signGithub } from '../world/providers/github.ts';
import { type Planted, plant } from './plant.ts';
import type { StagedWorld } from './stage.ts';
import { foundTeams } from './teams.ts';

/** The largest body that GitHub sends. */
export const LARGEST = 25 * 1024 * 1024;
/** No sender waits longer: GitHub gives ten seconds. */
const PATIENCE_MS = 10_000;

/** A delivery as GitHub sends it to an App. */
export interface AppDelivery {
  id: string;
  headers: Record<string, string>;
  body: Buffer<ArrayBuffer>;
}

/** What the Worker is set up with to be a GitHub App. */
export const githubAppEnv = (): Record<string, string> =>
  Object.fromEntries(Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]));

/** Plants connections that hear of a repository each, by number, of people in teams. */
export async function plantListeners(
  world: StagedWorld,
  count: number,
  { tenants, repositoryOf }: { tenants: number; repositoryOf: (at: number) => number },
): Promise<Planted[]> {
  const pairs = Array.from({ length: count }, (_, at) => ({
    access: `access-${at}`,
    refresh: `refresh-${at}`,
  }));
  const later = { refreshAt: `now() + interval '30 days'`, expiresAt: `now() + interval '31 days'` };
  const planted = await plant(world, 'github', pairs, { ...later, tenants });
  await foundTeams(world);
  await world.sql(
    `insert into webhooks (connection_id, provider, status, routes, tenant_id, check_at)
     select c.id, c.provider, 'active', array['repository:' || r.number], c.tenant_id, now() + interval '30 days'
     from unnest($1::uuid[], $2::integer[]) as r (id, number) join connections c on c.id = r.id`,
    [planted.map(({ id }) => id), planted.map((_, at) => repositoryOf(at))],
  );
  return planted;
}

/** A push to a repository, in a body of so many bytes where that is more than it takes; `number` stands first in it. */
export function pushOf(
  world: StagedWorld,
  { number, repository, bytes }: { number: number; repository: number; bytes: number },
): AppDelivery {
  const head = Buffer.from(
    `{"number":${number},"ref":"refs/heads/main","before":"a","after":"b","installation":{"id":1},` +
      `"repository":{"id":${repository},"full_name":"octocat/${repository}"},"filler":"`,
  );
  const tail = Buffer.from('"}');
  const left = Math.max(0, bytes - head.length - tail.length);
  const from = LARGEST - left - (number % Math.max(1, LARGEST - left));
  const body = Buffer.concat([head, filler().subarray(from, from + left), tail]);
  const id = `delivery-${number}`;
  return {
    id,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': id,
      'x-hub-signature-256': signGithub(body, world.bindings.GITHUB_APP_WEBHOOK_SECRET ?? ''),
    },
    body,
  };
}

let filled: Buffer | undefined;

/** Text that nobody can make smaller, PostgreSQL among them; the same in each run. */
function filler(): Buffer {
  const known = filled ?? Buffer.from(randomText((LARGEST / 4) * 3));
  filled = known;
  return known;
}

function randomText(bytes: number): string {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'filler'), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(bytes)).toString('base64');
}

/** Sends a delivery once; its status, and the milliseconds that it took. */
export async function tellApp(
  url: string,
  { headers, body }: AppDelivery,
): Promise<{ status: number | 'no answer'; took: number }> {
  const started = performance.now();
  try {
    const answer = await fetch(`${url}/api/webhooks/github`, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await answer.arrayBuffer();
    return { status: answer.status, took: performance.now() - started };
  } catch {
    return { status: 'no answer', took: performance.now() - started };
  }
}
