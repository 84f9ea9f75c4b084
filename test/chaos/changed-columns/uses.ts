import { quiet } from '../../support/trips.ts';
import type { Happening } from '../../world/simulator.ts';
import { fire } from '../stage.ts';
import type { Role, Scene } from './cast.ts';

/**
 * What a credential is used for: a test answers that the connection works; the cron renews its token; its own agent is
 * told of an event; a delivery that its provider has signed is taken; a disconnect ends it at the provider. `given up`
 * is no use: the provider lets it in still, and nobody holds it, or says that it does.
 */
export const USES = ['tested', 'renewed', 'told', 'heard', 'ended', 'given up'] as const;
export type Use = (typeof USES)[number];

/** Longer than an isolate keeps a data key or a webhook's secret. */
export const FORGOTTEN_MS = 6 * 60_000;

const HAPPENINGS: Record<string, Happening> = {
  shopify: { event: 'orders/create', account: 'north-store.myshopify.com' },
  stripe: { event: 'invoice.created' },
  github: { event: 'push', repository: 'octocat/Hello-World' },
};

/** The uses that went well, by role. */
export type WentWell = Map<Role, Set<Use>>;

/** Plays all that uses the roles' credentials. With `isLeft` they are disconnected already, and that alone goes on. */
export async function play(scene: Scene, roles: readonly Role[], isLeft: boolean): Promise<WentWell> {
  const well: WentWell = new Map(roles.map((role) => [role, new Set<Use>()]));
  const goes = (role: Role, use: Use, isSo: boolean) => isSo && well.get(role)?.add(use);
  if (!isLeft) await useThem(scene, roles, goes);
  const { world, pool } = scene;
  const lines = world.logs.length;
  const answers = new Map<Role, unknown>();
  if (!isLeft)
    for (const role of roles) {
      const reply = await role.person.at.delete(`/api/connectors/${role.life.provider}`);
      answers.set(role, reply.body.revocation);
    }
  await pool.query(
    `update revocations set next_attempt_at = now(), handed_at = null, under_way_until = null`,
  );
  await fire(world);
  await quiet(world);
  const { rows } = await pool.query<{ connection_id: string; user_id: string }>(
    'select connection_id, user_id from revocations',
  );
  const loud = world.logs.slice(lines).filter((line) => line.includes('token_not_discarded'));
  for (const role of roles) {
    const isAlive = role.life.isAlive?.(world, role.key);
    if (isAlive === undefined) continue;
    // One of what a row says is changed, and not the other.
    const isHeld = rows.some(
      ({ connection_id, user_id }) => connection_id === role.connectionId || user_id === role.person.id,
    );
    const isLoud = loud.some(
      (line) => line.includes(role.connectionId) || line.includes(`"${role.life.provider}"`),
    );
    goes(role, 'ended', !isAlive);
    const isSaid = isLeft ? !isHeld && !isLoud : answers.get(role) === 'revoked';
    goes(role, 'given up', isAlive && isSaid);
  }
  return well;
}

async function useThem(
  { world, pool, told }: Scene,
  roles: readonly Role[],
  goes: (role: Role, use: Use, isSo: boolean) => void,
): Promise<void> {
  const { rows: began } = await pool.query<{ now: Date }>('select now()');
  const { rows: news } = await pool.query<{ id: string; user_id: string }>(
    `select distinct on (user_id) id, user_id from events where type = 'connection.connected' order by user_id`,
  );
  await Promise.all(
    roles.map(async (role) => {
      const reply = await role.person.at.post(`/api/connectors/${role.life.provider}/test`);
      goes(role, 'tested', reply.status === 200 && reply.body.status === 'connected');
    }),
  );
  await pool.query(`update connections set refresh_at = now() where refresh_at is not null`);
  await pool.query(`update webhooks set check_at = now()`);
  for (const role of roles) {
    const event = news.find(({ user_id }) => user_id === role.person.id);
    if (event) await role.person.at.post(`/api/events/${event.id}/redeliver`);
    const happening = HAPPENINGS[role.life.provider];
    const sent = happening && (await world.gateway.simulator(role.life.provider).happen?.(happening));
    goes(
      role,
      'heard',
      sent?.some(({ url, status }) => url.endsWith(role.connectionId) && status === 200) === true,
    );
  }
  await fire(world);
  await quiet(world);
  const { rows: renewed } = await pool.query<{ id: string; user_id: string }>(
    'select id, user_id from connections where last_refreshed_at >= $1',
    [began[0]?.now],
  );
  for (const role of roles) {
    const isIts = ({ id, user_id }: { id: string; user_id: string }) =>
      id === role.connectionId || user_id === role.person.id;
    goes(role, 'renewed', renewed.some(isIts));
    goes(role, 'told', told.has(role.person.id));
  }
}
