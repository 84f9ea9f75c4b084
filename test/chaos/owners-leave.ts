import { startAgent } from '../world/agent.ts';
import { openClock } from '../world/clock.ts';
import { githubAppSettings } from '../world/providers/github.ts';
import { type Figure, figure } from './figures.ts';
import { type Household, isGone, learnSecrets, settle, somethingHappens } from './owners-leave/cast.ts';
import { type Judged, judge, leftOf, rowsOf, toldSince } from './owners-leave/judge.ts';
import { othersDisconnect, shownTo } from './owners-leave/onlookers.ts';
import { overhear } from './owners-leave/overheard.ts';
import { quiet } from './owners-leave/quiet.ts';
import { happens, ways } from './owners-leave/ways.ts';
import { fire, type Stage } from './stage.ts';

const MINUTE = 60_000;
/** Minutes in which what has no owner must have ended at its provider. */
const MINUTES = 10;

/** What was seen in a world. */
interface Seen extends Judged {
  pending: number;
  shown: string[];
  others: string[];
  asked: number;
  /** The first of the cron after which nothing was left; more than there were where something is. */
  firings: number;
}

/**
 * Owners leave in every way there is, and each time that is renewed, hears, tells, is listed and is in another's way
 * which has no owner any more: with an OAuth App of GitHub's, and with a GitHub App. `owners` leave in each way, and
 * `minutes` pass even where all has ended before.
 */
export async function ownersLeave(
  stage: Stage,
  { owners, minutes }: { owners: number; minutes: number },
): Promise<Figure[]> {
  const app = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
  const all = await Promise.all([
    play(stage, { owners, minutes, env: {}, providers: ['shopify', 'stripe', 'github'] }),
    play(stage, { owners: 1, minutes, env: Object.fromEntries(app), providers: ['github'] }),
  ]);
  const sum = (of: (seen: Seen) => number) => all.reduce((total, each) => total + of(each), 0);
  const list = (of: (seen: Seen) => string[]) => all.flatMap(of);
  const [gone, living] = [sum((seen) => seen.gone.length), sum((seen) => seen.living.length)];
  const none = (name: string, wrong: string[]) => figure(name, '0', listed(wrong), wrong.length === 0);
  const pending = sum((seen) => seen.pending);
  const firings = Math.max(...all.map((seen) => seen.firings));
  return [
    figure('events pending when their owners leave', `${gone + living}`, pending, pending === gone + living),
    none(
      `uses of ${gone} connections at their providers after the statement that ended them`,
      list((seen) => seen.uses),
    ),
    none(
      'webhooks of theirs that were stored',
      list((seen) => seen.stored),
    ),
    none(
      'events of theirs that were told, but for their end',
      list((seen) => seen.told),
    ),
    none(
      'events told to a team that they are not of',
      list((seen) => seen.strangers),
    ),
    none(
      'connections listed to a team that they are not of',
      list((seen) => seen.shown),
    ),
    none(
      `of ${sum((seen) => seen.asked)} disconnects by others on the same grant, not answered by what it was`,
      list((seen) => seen.others),
    ),
    none(
      `not ended, or their grants at the providers not, after ${MINUTES} minutes (the last of ${gone} after ${firings})`,
      list((seen) => seen.left),
    ),
    none(
      'not told once, with the reason, that they have ended',
      list((seen) => seen.reasons),
    ),
    none(
      `of ${living} whose owners are elsewhere now, those that do not live on there`,
      list((seen) => seen.harmed),
    ),
  ];
}

interface Played {
  owners: number;
  minutes: number;
  env: Record<string, string>;
  providers: readonly string[];
}

async function play(stage: Stage, { owners, minutes, env, providers }: Played): Promise<Seen> {
  const clock = openClock();
  const secret = `whsec_${Buffer.alloc(24, 'an agent of its own').toString('base64')}`;
  const [from, to] = [await startAgent(secret, 0, clock.now), await startAgent(secret, 0, clock.now)];
  try {
    const { factories, heard } = overhear(providers);
    const world = await stage.open({
      now: clock.now,
      hurried: true,
      rateLimits: false,
      simulators: factories,
      env,
    });
    await clock.rule(world);
    world.store('github').set('settings.expiring', true);
    const agents = [from, to, world.agent];

    const households: Household[] = [];
    for (let nth = 0; nth < owners; nth += 1) {
      // GitHub keeps ten tokens of a person.
      const some = nth === 0 ? providers : providers.filter((each) => each !== 'github');
      const options = { ears: { from, to, secret }, providers: some, isApp: 'GITHUB_APP_ID' in env };
      households.push(...(await Promise.all(ways.map((way) => settle(world, way, options)))));
    }
    const connections = households.flatMap((each) => each.connections);
    await fire(world);
    await quiet(world);
    await learnSecrets(world, connections);

    // One event of each is on its way when its owner leaves, and one happens afterwards.
    for (const agent of agents) agent.fail('error');
    await somethingHappens(world, connections);
    await quiet(world);
    const before = await rowsOf(world, connections);
    const pending = [...before.values()].filter((row) => row.pending === 1).length;
    const marks = { heard: heard.length, told: agents.map((agent) => agent.deliveries.length) };
    for (const { way, ids } of households) await happens(world, way, ids);
    for (const agent of agents) agent.fail(undefined);
    await world.sql(
      `update connections set refresh_at = now() - interval '1 second' where refresh_at is not null`,
    );
    await world.sql(
      `update webhooks set check_at = now() - interval '1 second' where check_at <> 'infinity'`,
    );
    await world.sql(`update events set next_attempt_at = now() where status = 'pending'`);
    await somethingHappens(world, connections);
    const shown = await shownTo(households);
    const { wrong: others, asked } = await othersDisconnect(households);

    let firings = 1;
    for (let minute = 1; minute <= MINUTES; minute += 1) {
      await fire(world);
      await quiet(world);
      const left = leftOf(world, connections.filter(isGone), await rowsOf(world, connections));
      if (left.length > 0) firings = minute + 1;
      else if (minute >= minutes) break;
      await clock.advance(MINUTE);
    }
    shown.push(...(await shownTo(households)));
    const since = heard.slice(marks.heard);
    const after = await rowsOf(world, connections);
    const told = agents.map((agent, at) => toldSince(agent, marks.told[at] ?? 0));
    return {
      ...judge(world, { connections, before, after, since, told }),
      pending,
      shown: [...new Set(shown)],
      others,
      asked,
      firings,
    };
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

const listed = (wrong: readonly string[]) => [wrong.length, ...new Set(wrong)].slice(0, 12).join('; ');
