import pg from 'pg';
import type { Client, Reply } from '../support/client.ts';
import { authorize, connectByOAuth, consent, present } from '../support/flows.ts';
import { connect, issueKey } from '../support/keys.ts';
import { type Life, lives } from '../support/lives.ts';
import { type Trips, tripsOf } from '../support/trips.ts';
import { type Figure, figure } from './figures.ts';
import { eachOf, peopleOf, type Somebody } from './people.ts';
import type { Stage, StagedWorld } from './stage.ts';

const MINUTE = 60_000;
const WAVE = 50;

/**
 * Many connect at once, each to a grant of their own and all to one; what they wait for, and what one of them costs
 * in round trips.
 */
export async function connects(
  stage: Stage,
  { grants, sharers, withinMs = MINUTE }: { grants: number; sharers: number; withinMs?: number },
): Promise<Figure[]> {
  return [
    ...(await overMany(stage, { grants, withinMs })),
    ...(await overOne(stage, sharers)),
    ...(await inTrips(stage)),
  ];
}

/** As many grants of one provider, in waves: a key, of a provider that can be asked to end it. */
async function overMany(
  stage: Stage,
  { grants, withinMs }: { grants: number; withinMs: number },
): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: false });
  const people = await peopleOf(world, grants);
  const keys = people.map(() => issueKey(world, 'vercel'));
  const failed = new Map<string, number>();
  const locks = await watchLocks(world);
  const begun = Date.now();
  const waves: Promise<void>[] = [];
  for (let from = 0; from < grants; from += WAVE) {
    const at = begun + (from / grants) * withinMs * 0.9;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));
    const wave = people.slice(from, from + WAVE).map(async ({ at: client }, nth) => {
      const key = keys[from + nth];
      if (key) note(failed, await connect(client, 'vercel', key), 201);
    });
    waves.push(Promise.all(wave).then(() => undefined));
  }
  await Promise.all(waves);
  const took = Date.now() - begun;
  const { looks, waits, kinds } = await locks.end();
  const [row] = await world.sql(
    `select count(*)::integer as n, count(distinct grant_id)::integer as grants from connections where status = 'connected'`,
  );
  return [
    figure(
      `${grants} connects over ${grants} grants of one provider`,
      `${grants}, none fails`,
      [`${row?.n}, over ${row?.grants} grants`, ...tell(failed)].join('; '),
      row?.n === grants && row?.grants === grants && failed.size === 0,
    ),
    figure(
      'that waited for another’s lock',
      '0',
      [`${waits} in ${looks} looks`, ...kinds].join('; '),
      waits === 0 && looks > 0,
    ),
    figure('which took', `at most ${withinMs / 1000} s`, `${(took / 1000).toFixed(1)} s`, took <= withinMs),
  ];
}

/** People who come back from the consent of one workspace at the same moment, and leave it one by one. */
async function overOne(stage: Stage, sharers: number): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: false });
  const people = await peopleOf(world, sharers);
  const back: { at: Client; url: URL }[] = [];
  await eachOf(people, 4, async ({ at }) => {
    back.push({ at, url: await consent(await authorize(at, 'slack'), { account: 'Acme' }) });
  });
  const failed = new Map<string, number>();
  await Promise.all(back.map(async ({ at, url }) => note(failed, await present(at, url), 200)));
  const [row] = await world.sql(
    `select count(*)::integer as n, count(distinct grant_id)::integer as grants from connections where status = 'connected'`,
  );
  const broken = new Map<string, number>();
  await eachOf(people, 4, async ({ at }) => {
    const reply = await at.post('/api/connectors/slack/test');
    if (reply.body.status !== 'connected') note(broken, reply, 0);
  });
  const left = new Map<string, number>();
  for (const { at } of people) {
    const { status, body } = await at.delete('/api/connectors/slack');
    const told = `${body.revocation ?? status}`;
    left.set(told, (left.get(told) ?? 0) + 1);
  }
  return [
    figure(
      `${sharers} at once over one grant`,
      `${sharers}, none fails`,
      [`${row?.n}, over ${row?.grants} grant`, ...tell(failed)].join('; '),
      row?.n === sharers && row?.grants === 1 && failed.size === 0,
    ),
    figure('of these, that do not work', '0', tell(broken).join('; ') || 0, broken.size === 0),
    figure(
      'and leave it in turn',
      `${sharers - 1} shared, 1 revoked`,
      [...left].map(([told, count]) => `${count} ${told}`).join(', '),
      left.get('shared') === sharers - 1 && left.get('revoked') === 1,
    ),
  ];
}

/** The most that README allows; webhooks take two more to PostgreSQL. */
const BOUNDS = {
  callback: { kv: 1, postgres: 3, kms: 1 },
  connect: { kv: 0, postgres: 2, kms: 1 },
  DELETE: { kv: 0, postgres: 2, kms: 1 },
} as const;
const FOR_WEBHOOKS = 2;

/** GitHub registers nothing until something is chosen, and is asked at the end what was. */
function isTold(kind: keyof typeof BOUNDS, { provider, webhooks }: Life): boolean {
  return webhooks !== undefined || (kind === 'DELETE' && provider === 'github');
}

async function inTrips(stage: Stage): Promise<Figure[]> {
  // Nothing else is counted with it.
  const world = await stage.open({ rateLimits: false, unconsumed: true });
  const seen: Record<keyof typeof BOUNDS, { life: Life; trips: Trips }[]> = {
    callback: [],
    connect: [],
    DELETE: [],
  };
  const those = lives.filter(({ way }) => way !== 'a GitHub App');
  const people = await peopleOf(world, those.length + 1);
  const [first, ...others] = people;
  if (first) await connectByOAuth(first.at, 'slack');
  for (const [at, life] of those.entries()) {
    const person = others[at];
    if (!person) throw new Error('nobody');
    const begun = await tripsOf(world, await begin(world, life, person));
    if (begun.reply.status !== 200 && begun.reply.status !== 201)
      throw new Error(`${life.provider}: ${begun.reply.text}`);
    seen[life.key ? 'connect' : 'callback'].push({ life, trips: begun.trips });
    const { trips } = await tripsOf(world, () => person.at.delete(`/api/connectors/${life.provider}`));
    seen.DELETE.push({ life, trips });
  }
  return (Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]).flatMap((kind) => {
    const bound = BOUNDS[kind];
    return [false, true].map((withWebhooks) => {
      const rows = seen[kind].filter(({ life }) => isTold(kind, life) === withWebhooks);
      const postgres = bound.postgres + (withWebhooks ? FOR_WEBHOOKS : 0);
      const most = (of: keyof Trips) => Math.max(0, ...rows.map(({ trips }) => trips[of]));
      const over = rows.filter(
        ({ trips }) => trips.postgres > postgres || trips.kv > bound.kv || trips.kms > bound.kms,
      );
      const what = ({ life, trips }: (typeof rows)[number]) =>
        `${life.provider}: ${trips.kv} KV, ${trips.postgres} PostgreSQL, ${trips.kms} KMS`;
      return figure(
        `round trips of ${kind}${withWebhooks ? ' with webhooks' : ''}`,
        `at most ${bound.kv} KV, ${postgres} PostgreSQL, ${bound.kms} KMS`,
        [`${most('kv')} KV, ${most('postgres')} PostgreSQL, ${most('kms')} KMS`, ...over.map(what)].join(
          '; ',
        ),
        over.length === 0 && rows.length > 0,
      );
    });
  });
}

/** All of a connect but the request that ends it. */
async function begin(
  world: StagedWorld,
  { provider, key }: Life,
  { at }: Somebody,
): Promise<() => Promise<Reply>> {
  if (key) {
    const issued = issueKey(world, provider, key);
    return () => connect(at, provider, issued);
  }
  const query = provider === 'shopify' ? { shop: 'north-store.myshopify.com' } : {};
  const url = await consent(await authorize(at, provider, { query }));
  return () => present(at, url);
}

/** Looks again and again at what waits for a lock in a world's database: a row's, or one that is taken by name. */
async function watchLocks(world: StagedWorld) {
  const client = new pg.Client({ connectionString: world.databases.url(world.database) });
  await client.connect();
  const seen = { looks: 0, waits: 0 };
  const kinds = new Map<string, number>();
  let isOver = false;
  const look = async () => {
    const { rows } = await client.query<{ wait_event: string }>(
      `select wait_event from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'extend'`,
    );
    seen.looks += 1;
    seen.waits += rows.length;
    for (const { wait_event } of rows) kinds.set(wait_event, (kinds.get(wait_event) ?? 0) + 1);
  };
  const looking = (async () => {
    while (!isOver) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    async end() {
      isOver = true;
      await looking;
      await client.end();
      return { ...seen, kinds: [...kinds].map(([kind, count]) => `${count} ${kind}`) };
    },
  };
}

function note(failed: Map<string, number>, { status, body }: Reply, must: number): void {
  if (status === must) return;
  const told = `${status} ${body.code ?? body.status ?? ''}`;
  failed.set(told, (failed.get(told) ?? 0) + 1);
}

const tell = (failed: ReadonlyMap<string, number>) =>
  [...failed].map(([told, count]) => `${count} of ${told}`);
