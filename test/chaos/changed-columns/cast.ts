import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { setAgent } from '../../../lib/events/set-agent.ts';
import { openServices } from '../../../lib/services.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { type Life, lives } from '../../support/lives.ts';
import { quiet } from '../../support/trips.ts';
import { type Clock, openClock } from '../../world/clock.ts';
import { type HttpServer, serve } from '../../world/http-server.ts';
import { peopleOf, type Somebody } from '../people.ts';
import type { Stage, StagedWorld } from '../stage.ts';
import { type Change, TABLES, WHERE } from './changes.ts';
import { type Canaries, openRecorder, type Recorder, tellingSimulators } from './recorder.ts';

/** The first way to connect to each provider. */
const ways = lives.filter(
  ({ provider }, at, all) => all.findIndex((each) => each.provider === provider) === at,
);
const SECRET = `whsec_${Buffer.alloc(32, 'an agent of a tenant').toString('base64')}`;

/** Somebody who has connected a provider, and is a tenant with an agent of their own. */
export interface Role {
  life: Life;
  person: Somebody;
  /** What was pasted, where it was a key. */
  key: string;
  connectionId: string;
}

/** A world in which all fifteen providers can be connected, and everything that leaves it is recorded. */
export interface Scene {
  world: StagedWorld;
  clock: Clock;
  recorder: Recorder;
  canaries: Canaries;
  pool: pg.Pool;
  /** The tenants whose own agent was told something since the last connect. */
  told: Set<string>;
  people: Somebody[];
  agents: HttpServer;
  close(): Promise<void>;
}

export async function openScene(stage: Stage): Promise<Scene> {
  const [clock, recorder, canaries] = [openClock(), await openRecorder(), new Map<string, string>()];
  const world = await stage.open({
    now: clock.now,
    hurried: true,
    rateLimits: false,
    providerGateway: recorder.url,
    simulators: tellingSimulators(canaries),
  });
  recorder.leadTo(world);
  // It signs, and goes nowhere.
  canaries.set(SECRET, 'agents');
  await clock.rule(world);
  world.store('github').set('settings.expiring', true);
  const told = new Set<string>();
  const verifier = new Webhook(SECRET);
  const agents = await serve(async (request) => {
    const body = await request.text();
    const at = new Date(Number(request.headers.get('webhook-timestamp')) * 1000);
    const signature = verifier.sign(request.headers.get('webhook-id') ?? '', at, body);
    if (signature !== request.headers.get('webhook-signature')) return new Response(null, { status: 401 });
    told.add(new URL(request.url).pathname.slice(1));
    return new Response(null, { status: 204 });
  });
  const pool = new pg.Pool({ connectionString: world.databases.url(world.database), max: 4 });
  pool.on('error', () => undefined);
  return {
    world,
    clock,
    recorder,
    canaries,
    pool,
    told,
    people: await peopleOf(world, ways.length),
    agents,
    async close() {
      await world.kill();
      await Promise.all([pool.end(), recorder.close(), agents.close()]);
    },
  };
}

/** Everybody connects anew, with nothing left of what was before. */
export async function castRoles(scene: Scene): Promise<Role[]> {
  const { world, pool, people, told, recorder } = scene;
  await pool.query(`truncate ${TABLES.join(', ')}, events, grants, provider_states, audit_log cascade`);
  const roles = await Promise.all(ways.map((life, at) => castRole(world, life, people[at] as Somebody)));
  const { postgres, kms } = openServices(world.bindings as unknown as Env);
  for (const { person } of roles) {
    const agent = { url: `${scene.agents.url}/${person.id}`, secret: SECRET };
    await setAgent({ postgres, kms, say: () => undefined }, person.id, agent);
  }
  await quiet(world);
  told.clear();
  recorder.sent.length = 0;
  return roles;
}

async function castRole(world: StagedWorld, life: Life, person: Somebody): Promise<Role> {
  const issued = life.key && issueKey(world, life.provider, life.key);
  const reply = issued
    ? await connect(person.at, life.provider, issued)
    : await connectByOAuth(person.at, life.provider);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`${life.provider}: ${reply.text}`);
  if (life.provider === 'github') {
    const repositories = ['octocat/Hello-World'];
    const watched = await person.at.put('/api/connectors/github/repositories', { body: { repositories } });
    if (watched.body.error !== null) throw new Error(`github: ${watched.text}`);
  }
  return { life, person, key: issued?.api_key ?? '', connectionId: String(reply.body.id) };
}

/** Changes a column of each role's row; gives the roles that have such a row, and whose table takes it. */
export async function change(
  { pool }: Scene,
  roles: readonly Role[],
  { table, column, value }: Change,
): Promise<Role[]> {
  const changed: Role[] = [];
  for (const role of roles) {
    const { rowCount } = await pool
      .query(
        `update ${table} r set ${column} = ${value}
         where r.${WHERE[table]} and $1::uuid is not null and $2::uuid is not null
           and r.${column} is distinct from ${value}`,
        [role.connectionId, role.person.id],
      )
      // What the table itself refuses is no way.
      .catch(() => ({ rowCount: 0 }));
    if (rowCount) changed.push(role);
  }
  return changed;
}
