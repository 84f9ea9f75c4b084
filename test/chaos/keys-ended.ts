import { connectByOAuth } from '../support/flows.ts';
import { connect, issueKey } from '../support/keys.ts';
import { type Life, lives } from '../support/lives.ts';
import { openClock } from '../world/clock.ts';
import { githubAppSettings } from '../world/providers/github.ts';
import { type Figure, figure } from './figures.ts';
import { peopleOf, type Somebody } from './people.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Real milliseconds in which the queues are worked off. */
const PATIENCE = 10_000;

/** Requests a day for a connection that nobody uses: those that are renewed each hour, and the others. */
const BUDGET = { renewed: 100, others: 15 };

interface Held {
  life: Life;
  name: string;
  person: Somebody;
  key: string;
  /** Requests to its provider in a day on which nothing happened, and in the one after its end. */
  asked: [alive: number, ended: number];
  /** How long after its end the agent was told. */
  told: number;
}

/**
 * One connection to each provider, each way: a day on which nothing happens, then its owner ends the key, token or
 * grant at the provider, and another day passes. The cron fires every `stepMinutes`.
 */
export async function keysEnded(
  stage: Stage,
  { hoursBefore, stepMinutes }: { hoursBefore: number; stepMinutes: number },
): Promise<Figure[]> {
  const step = stepMinutes * MINUTE;
  const app = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
  const isApp = ({ way }: Life) => way === 'a GitHub App';
  const [usual, apps] = await Promise.all([
    live(
      stage,
      {},
      lives.filter((life) => !isApp(life)),
      { hoursBefore, step },
    ),
    live(stage, Object.fromEntries(app), lives.filter(isApp), { hoursBefore, step }),
  ]);
  const all = [...usual.held, ...apps.held];
  const providers = [...new Set(all.map(({ life }) => life.provider))];
  const late = all.filter(({ told }) => !(told <= DAY));
  const lateProviders = new Set(late.map(({ life }) => life.provider));
  const hours = (milliseconds: number) =>
    Number.isFinite(milliseconds) ? `${(milliseconds / HOUR).toFixed(1)} h` : 'never';
  const latest = Math.max(...all.map(({ told }) => told).filter(Number.isFinite), 0);
  const perDay = (held: Held) => (held.asked[0] * 24) / Math.max(hoursBefore, 1);
  const isRenewed = ({ life }: Held) =>
    ['shopify', 'google_ads', 'ga4'].includes(life.provider) || isApp(life);
  const most = (those: readonly Held[], of: (held: Held) => number) =>
    those.map((held) => ({ held, n: of(held) })).sort((a, b) => b.n - a.n)[0] ?? { held: undefined, n: 0 };
  const alive = (those: readonly Held[]) => {
    const { held, n } = most(those, perDay);
    return { n, text: `${n.toFixed(1)} a day (${held?.name})` };
  };
  const renewed = alive(all.filter(isRenewed));
  const others = alive(all.filter((held) => !isRenewed(held)));
  const after = most(all, ({ asked }) => asked[1]);
  const wrong = [...usual.wrong, ...apps.wrong];
  return [
    figure(
      `keys, tokens and grants ended at their provider, told to the agent within a day`,
      `${providers.length} of ${providers.length}`,
      [
        `${providers.length - lateProviders.size} of ${providers.length}, the latest after ${hours(latest)}`,
        ...late.map(({ name, told }) => `${name}: ${hours(told)}`),
      ].join('; '),
      late.length === 0 && providers.length === 15,
    ),
    figure(
      'told of what had not ended, or twice',
      '0',
      [wrong.length, ...wrong].join('; '),
      wrong.length === 0,
    ),
    figure(
      'requests a day for a connection that is renewed each hour',
      `at most ${BUDGET.renewed}`,
      hoursBefore > 0 ? renewed.text : 'not measured',
      renewed.n <= BUDGET.renewed,
    ),
    figure(
      'requests a day for any other',
      `at most ${BUDGET.others}`,
      hoursBefore > 0 ? others.text : 'not measured',
      others.n <= BUDGET.others,
    ),
    figure(
      'requests for one in the day after its end',
      `at most ${BUDGET.others}`,
      `${after.n} (${after.held?.name})`,
      after.n <= BUDGET.others,
    ),
    figure(
      'firings that were not worked off',
      '0',
      usual.unsettled + apps.unsettled,
      usual.unsettled + apps.unsettled === 0,
    ),
  ];
}

async function live(
  stage: Stage,
  env: Record<string, string>,
  those: readonly Life[],
  { hoursBefore, step }: { hoursBefore: number; step: number },
) {
  const clock = openClock();
  const world = await stage.open({ now: clock.now, hurried: true, rateLimits: false, env });
  await clock.rule(world);
  const people = await peopleOf(world, those.length);
  const held: Held[] = [];
  for (const [at, life] of those.entries()) {
    const person = people[at];
    if (!person) throw new Error('nobody');
    held.push({
      life,
      name: `${life.provider} by ${life.way}`,
      person,
      key: await connectAs(world, person, life),
      asked: [0, 0],
      told: Infinity,
    });
  }
  let unsettled = 0;
  let phase: 0 | 1 = 0;
  // Zendesk's two are told apart by where they are asked.
  world.gateway.decide(({ provider, host, path }) => {
    // GitHub is asked by the App itself, however many live, what it could not deliver.
    if (path.startsWith('/app/hook/deliveries')) return undefined;
    const its = held.filter(({ life }) => life.provider === provider);
    const one = its.find(
      ({ life }) => life.key?.subdomain !== undefined && host.startsWith(life.key.subdomain),
    );
    const whose = one ?? its.find(({ life }) => life.key?.subdomain === undefined);
    if (whose) whose.asked[phase] += 1;
    return undefined;
  });

  /** Lets a step pass; the cron fires at its end, and when anything is to be renewed. */
  const pass = async () => {
    for (const end = clock.now() + step; clock.now() < end; ) {
      const [row] = await world.sql(
        `select extract(epoch from min(refresh_at))::float8 * 1000 as at from connections where refresh_at > now()`,
      );
      const next = Math.min(end, Math.max(Number(row?.at ?? Infinity) + 1, clock.now() + MINUTE));
      await clock.advance(Math.max(0, next - clock.now()));
      // The cron was not away: it has fired each minute of this.
      await world.sql(`update marks set at = now() where name = 'cron'`);
      await fire(world);
      if (!(await quiet(world, clock.now()))) unsettled += 1;
    }
  };
  for (let passed = 0; passed < hoursBefore * HOUR; passed += step) await pass();
  const early = ends(world).length;

  phase = 1;
  for (const { life, key } of held) await life.end(world, key);
  for (let passed = 0; passed < DAY; passed += step) {
    await pass();
    for (const { user_id } of ends(world)) {
      const one = held.find(({ person }) => person.id === user_id);
      if (one && one.told === Infinity) one.told = passed + step;
    }
  }
  const twice = ends(world).length - new Set(ends(world).map(({ user_id }) => user_id)).size;
  const wrong = [...(early > 0 ? [`${early} before its end`] : []), ...(twice > 0 ? [`${twice} twice`] : [])];
  return { held, unsettled, wrong };
}

async function connectAs(world: StagedWorld, { at }: Somebody, { provider, key }: Life): Promise<string> {
  const issued = key && issueKey(world, provider, key);
  const reply = issued ? await connect(at, provider, issued) : await connectByOAuth(at, provider);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`${provider}: ${reply.text}`);
  return issued?.api_key ?? '';
}

const ends = (world: StagedWorld) =>
  world.agent.deliveries
    .map(({ body }) => body as { type: string; user_id: string })
    .filter(({ type }) => type === 'connection.reauthorization_required');

/** Waits until nothing that was due at a moment is, and nobody is at anything; false where that takes too long. */
async function quiet(world: StagedWorld, due: number): Promise<boolean> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    // What a column is not there for is never due.
    const [row] = await world.sql(
      `select (
         select count(*) from connections c where status = 'connected' and (
           refresh_at <= to_timestamp($1) or lease_until > now()
           or (to_jsonb(c) ->> 'check_at')::timestamptz <= to_timestamp($1)
         )
       ) + (
         select count(*) from events where status = 'pending' and (next_attempt_at <= now() or lease_id is not null)
       ) + (
         select count(*) from webhooks w join connections c on c.id = w.connection_id and c.status = 'connected'
         where w.check_at <= to_timestamp($1) or w.lease_id is not null
       ) as busy`,
      [due / 1000],
    );
    if (Number(row?.busy) === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 15));
    // What has happened meanwhile is told by the next firing at the latest.
    if (end - Date.now() < PATIENCE / 2) await fire(world);
  }
  return false;
}
