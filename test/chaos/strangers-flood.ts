import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import pg from 'pg';
import { Client } from '../support/client.ts';
import { connectByOAuth } from '../support/flows.ts';
import { type Figure, figure } from './figures.ts';
import type { Stage, StagedWorld } from './stage.ts';

/** Where the strangers come from. */
const ADDRESS = '203.0.113.66';
const PROVIDERS = ['slack', 'github', 'shopify', 'meta', 'google_ads', 'tiktok'] as const;
const SIGN_INS_AT_ONCE = 5;
/** What is kept from going on is seen to stand by then. */
const STANDS_WITHIN = 5_000;
/** Locks that are no mere sign of reading; the first is taken by name, the others by who writes or locks a row. */
const LOCKS = ['advisory', 'transactionid', 'tuple'];

/** Strangers with made-up sessions who disconnect, connect and test, while people sign in. */
export async function strangersFlood(
  stage: Stage,
  { signIns, strangers, atOnce }: { signIns: number; strangers: number; atOnce: number },
): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: true, unconsumed: true });
  const crowd = openCrowd(world, atOnce);
  try {
    // Rows that might be locked.
    for (const [at, provider] of PROVIDERS.entries()) await signIn(world, provider, at);
    return [
      await statementsAlone(world, crowd),
      await locksWithoutSessions(world, crowd),
      await waitingForRows(world, crowd),
      ...(await flood(world, crowd, { signIns, strangers, atOnce })),
    ];
  } finally {
    crowd.close();
  }
}

interface Crowd {
  /** One more stranger's request; gives its status, 0 where there was no answer. */
  ask(): Promise<number>;
  /** Statements that PostgreSQL has been sent for each of them so far. */
  statements: number[];
  asked: number;
  close(): void;
}

function openCrowd(world: StagedWorld, atOnce: number): Crowd {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const byStranger = new Map<string, number>();
  world.neon.faults.decide((sql, parameters) => {
    for (const parameter of parameters) {
      const before = typeof parameter === 'string' ? byStranger.get(parameter) : undefined;
      // The statements of a batch are joined so.
      if (before !== undefined) byStranger.set(String(parameter), before + sql.split(';\n').length);
    }
    return undefined;
  });
  const crowd: Crowd = {
    asked: 0,
    get statements() {
      return [...byStranger.values()];
    },
    ask() {
      const token = `session-${randomBytes(24).toString('base64url')}`;
      byStranger.set(createHash('sha256').update(token).digest('hex'), 0);
      const { method, path, body } = errand(crowd.asked);
      crowd.asked += 1;
      return new Promise((resolve) => {
        const asked = request(`${world.url}${path}`, {
          agent,
          method,
          headers: {
            authorization: `Bearer ${token}`,
            'cf-connecting-ip': ADDRESS,
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
        });
        asked.on('error', () => resolve(0));
        asked.on('response', (response) => {
          response.on('close', () => resolve(response.statusCode ?? 0)).resume();
        });
        asked.end(body);
      });
    },
    close: () => agent.destroy(),
  };
  return crowd;
}

/** What the stranger of that number is after. */
function errand(number: number): { method: string; path: string; body?: string } {
  const provider = PROVIDERS[Math.floor(number / 4) % PROVIDERS.length];
  if (number % 4 < 2) return { method: 'DELETE', path: `/api/connectors/${provider}` };
  if (number % 4 === 2) return { method: 'POST', path: `/api/connectors/${provider}/test` };
  const key = { provider: 'vercel', api_key: `vcp_${randomBytes(24).toString('hex')}` };
  return { method: 'POST', path: '/api/connectors/connect', body: JSON.stringify(key) };
}

/** Nobody else is there: whatever reaches PostgreSQL is for them. */
async function statementsAlone(world: StagedWorld, crowd: Crowd): Promise<Figure> {
  const from = world.neon.queries.length;
  const asked = 60;
  await Promise.all(Array.from({ length: asked }, crowd.ask));
  const statements = world.neon.queries
    .slice(from)
    .reduce((sum, { sql }) => sum + sql.split(';\n').length, 0);
  return figure(
    `statements for ${asked} requests without a living session`,
    `at most ${asked}`,
    statements,
    statements <= asked,
  );
}

/** Locks of those who cannot get to know whether they have a session. */
async function locksWithoutSessions(world: StagedWorld, crowd: Crowd): Promise<Figure> {
  const found = await whileHeld(world, ['lock table sessions in access exclusive mode'], async (holder) => {
    const asked = Promise.all(Array.from({ length: 30 }, crowd.ask));
    const here = `a.datname = current_database() and l.pid <> pg_backend_pid()`;
    const joined = 'from pg_locks l join pg_stat_activity a on a.pid = l.pid';
    const waiting = `select count(*)::integer as n ${joined} where ${here} and not l.granted`;
    let stood = 0;
    // As many wait as will: no more have come since the last look.
    for (const end = Date.now() + STANDS_WITHIN; Date.now() < end; ) {
      const { rows } = await holder.query<{ n: number }>(waiting);
      const stand = rows[0]?.n ?? 0;
      if (stand > 0 && stand === stood) break;
      stood = stand;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { rows } = await holder.query<{ locktype: string; count: number }>(
      `select l.locktype, count(*)::integer as count ${joined} where ${here} and l.locktype = any ($1)
       group by l.locktype`,
      [LOCKS],
    );
    await holder.query('rollback');
    await asked;
    return rows;
  });
  return figure(
    'locks of 30 who wait to be told whether their session lives',
    'none',
    found.map(({ locktype, count }) => `${count} ${locktype}`).join(', ') || 'none',
    found.length === 0,
  );
}

/** Somebody holds every row that is ours. */
async function waitingForRows(world: StagedWorld, crowd: Crowd): Promise<Figure> {
  const tables = await world.sql(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'
       and tablename not in ('users', 'teams', 'team_members', 'brands', 'sessions')`,
  );
  const locks = tables.map(({ name }) => `select from ${name} for update`);
  const asked = 60;
  const statuses = await whileHeld(world, locks, async () =>
    Promise.all(Array.from({ length: asked }, crowd.ask)),
  );
  const others = statuses.filter((status) => status !== 401 && status !== 429);
  return figure(
    `of ${asked} strangers, not told so because somebody holds all rows`,
    '0',
    others.length,
    others.length === 0,
  );
}

/** Runs `work` while a transaction beside all others has done `statements`. */
async function whileHeld<T>(
  world: StagedWorld,
  statements: readonly string[],
  work: (holder: pg.Client) => Promise<T>,
): Promise<T> {
  const holder = new pg.Client(world.databases.url(world.database));
  await holder.connect();
  try {
    await holder.query('begin');
    for (const statement of statements) await holder.query(statement);
    return await work(holder);
  } finally {
    await holder.end();
  }
}

async function flood(
  world: StagedWorld,
  crowd: Crowd,
  { signIns, strangers, atOnce }: { signIns: number; strangers: number; atOnce: number },
): Promise<Figure[]> {
  const statuses = new Map<number, number>();
  const comeAndGo = async () => {
    const status = await crowd.ask();
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  // They come in waves, as the sign-ins go on, and no wave before the last is over.
  const waves = Math.ceil(strangers / atOnce);
  let flooding: Promise<unknown> = Promise.resolve();
  const wave = () => {
    flooding = flooding.then(() => Promise.all(Array.from({ length: atOnce }, comeAndGo)));
  };
  const before = crowd.statements.length;
  const failures = new Map<string, number>();
  let next = 0;
  const people = Array.from({ length: SIGN_INS_AT_ONCE }, async () => {
    while (next < signIns) {
      const number = next;
      next += 1;
      if (number % Math.ceil(signIns / waves) === 0) wave();
      const failure = await signIn(world, PROVIDERS[number % PROVIDERS.length] ?? 'slack', 100 + number);
      if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1);
    }
  });
  await Promise.all(people);
  await flooding;
  const came = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  const letIn = [...statuses].filter(([status]) => status >= 200 && status < 300).length;
  const most = Math.max(...crowd.statements.slice(before));
  return [
    figure(
      `of ${signIns} sign-ins during a flood of ${came} strangers, ${atOnce} at a time, that failed`,
      '0',
      [...failures].map(([failure, count]) => `${count} with ${failure}`).join('; ') || '0',
      failures.size === 0,
    ),
    figure('strangers who were let in', '0', letIn, letIn === 0),
    figure('statements for one of the strangers', 'at most 1', most, most <= 1),
  ];
}

/** A new person's whole sign-in, from an address of their own; gives why it failed. */
async function signIn(world: StagedWorld, provider: string, number: number): Promise<string | undefined> {
  const token = `session-${randomBytes(24).toString('base64url')}`;
  await world.sql(
    `with person as (insert into users (name) values ('Somebody') returning id)
     insert into sessions (id, user_id, expires_at) select $1, id, now() + interval '1 hour' from person`,
    [createHash('sha256').update(token).digest('hex')],
  );
  try {
    const reply = await connectByOAuth(new Client(world, token), provider, {
      headers: { 'cf-connecting-ip': `198.51.100.${number % 250}` },
      ...(provider === 'shopify' && { query: { shop: `shop-${number}.myshopify.com` } }),
    });
    return reply.status === 200 ? undefined : `${provider} ${reply.body.code} at the callback`;
  } catch (error) {
    const said = String(error);
    return `${provider} ${/"code":"(\w+)"/.exec(said)?.[1] ?? said.slice(0, 200)} before the callback`;
  }
}
