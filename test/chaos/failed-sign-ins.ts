import { connectByOAuth, type FlowOptions } from '../support/flows.ts';
import { githubAppSettings } from '../world/providers/github.ts';
import { aliveAt, forgetAll, heldOf, looseOf } from './failed-sign-ins/books.ts';
import { type Cast, type Life, lives, openCast, type Place } from './failed-sign-ins/people.ts';
import { bendProbe, type Failure, failures, isUnticked, type Way, ways } from './failed-sign-ins/ways.ts';
import { type Figure, figure } from './figures.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';

/** One sign-in whose probe fails. */
interface Combination {
  way: Way;
  failure: Failure;
  life: Life;
}

interface Outcome extends Combination {
  /** How many connections must go on, and what became of those that do not. */
  living: number;
  ended: string[];
  /** Tokens of the sign-in that live at the provider and stand nowhere. */
  loose: number;
  isLoud: boolean;
}

const all: readonly Combination[] = ways.flatMap((way) =>
  failures.flatMap((failure) => lives.map((life) => ({ way, failure, life }))),
);

/**
 * Sign-ins that fail after the code was exchanged, beside a living connection on the same grant. `every` takes each so
 * many combinations one.
 */
export async function failedSignIns(stage: Stage, { every }: { every: number }): Promise<Figure[]> {
  const app = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
  const options = { hurried: true, rateLimits: false };
  const asOAuthApp = await stage.open(options);
  const asApp = await stage.open({ ...options, env: Object.fromEntries(app) });
  const casts = new Map([
    [asOAuthApp, await openCast(asOAuthApp)],
    [asApp, await openCast(asApp)],
  ]);

  const outcomes: Outcome[] = [];
  for (const combination of all.filter((_, at) => at % every === 0)) {
    const world = combination.way.isApp ? asApp : asOAuthApp;
    const cast = casts.get(world);
    if (cast) outcomes.push(await play(world, cast, combination));
  }
  return ways.flatMap((way) =>
    figuresOf(
      way.name,
      outcomes.filter((each) => each.way === way),
    ),
  );
}

function figuresOf(way: string, outcomes: readonly Outcome[]): Figure[] {
  const told = ({ failure, life }: Outcome) => `${failure}, ${life}`;
  const line = (name: string, wrong: string[]) =>
    figure(`${way}: ${name}`, '0', [wrong.length, ...wrong.slice(0, 6)].join('; '), wrong.length === 0);
  const beside = outcomes.filter(({ living }) => living > 0);
  const alone = outcomes.filter(({ life }) => life === 'nobody');
  return [
    line(
      `failed sign-ins of ${beside.length} that ended a living connection`,
      beside.filter(({ ended }) => ended.length > 0).map((each) => `${told(each)}: ${each.ended[0]}`),
    ),
    line(
      `tokens of ${outcomes.length} failed sign-ins that live without a row, a pending end or a loud line`,
      outcomes
        .filter(({ loose, isLoud }) => loose > 0 && !isLoud)
        .map((each) => `${told(each)}: ${each.loose}`),
    ),
    line(
      `tokens of ${alone.length} where nobody lives on the grant that are neither ended nor about to be`,
      alone.filter(({ loose }) => loose > 0).map((each) => `${each.failure}: ${each.loose}`),
    ),
  ];
}

async function play(world: StagedWorld, cast: Cast, combination: Combination): Promise<Outcome> {
  const { way, failure, life } = combination;
  await begin(world, way);
  const asker = cast['the same brand'];
  const standing: Place[] = [];
  const connected = async (place: Place, account: string) => {
    const { status, text } = await signIn(way, place, { account });
    if (status !== 200) throw new Error(`${way.name}: ${text}`);
    standing.push(place);
  };
  if (failure === 'another account') await connected(asker, way.other);
  // A connection of the same brand that stands at another account is the one that must go on.
  const isThere = failure === 'another account' && life === 'the same brand';
  if (life !== 'nobody' && !isThere) await connected(cast[life], way.account);
  await quiet(world);
  const before = new Set(looseOf(aliveAt(world, way.provider), await heldOf(world, way.provider)));

  const logs = world.logs.length;
  bendProbe(world, way, failure);
  const { status, text } = await signIn(way, asker, {
    account: way.account,
    ...(isUnticked(way, failure) && { scopes: [] }),
  });
  world.gateway.reset();
  const isRight = failure === 'another account' ? status === 409 : status >= 400;
  if (!isRight)
    throw new Error(`${way.name}, ${failure}, ${life}: a sign-in that must fail: ${status} ${text}`);
  await quiet(world);

  const isLoud = world.logs.slice(logs).some((line) => line.includes('"event":"token_not_discarded"'));
  const loose = looseOf(aliveAt(world, way.provider), await heldOf(world, way.provider));
  const ended: string[] = [];
  for (const place of standing) ended.push(...(await testOf(way, place, 'at once')));
  await minutesPass(world);
  for (const place of standing) ended.push(...(await testOf(way, place, 'once renewed')));
  ended.push(...(await unwell(world)));
  return {
    ...combination,
    living: standing.length,
    ended,
    loose: loose.filter((token) => !before.has(token)).length,
    isLoud,
  };
}

/** Nobody is connected, and the provider has never been asked. */
async function begin(world: StagedWorld, { provider, settings = {} }: Way): Promise<void> {
  await forgetAll(world, [provider]);
  for (const name of ['rotation', 'sameToken']) {
    world.store(provider).set(`settings.${name}`, settings[name] ?? false);
  }
  world.logs.length = 0;
}

function signIn(
  { provider }: Way,
  { client, brand }: Place,
  { account, ...options }: FlowOptions & { account: string },
) {
  const where = provider === 'shopify' ? { query: { shop: account } } : { account };
  return connectByOAuth(client, provider, { ...options, ...where, brand });
}

/** Whether the owner of a connection is told that it works; what else, where not. */
async function testOf({ provider }: Way, { client, brand }: Place, when: string): Promise<string[]> {
  const { status, body } = await client.post(`/api/connectors/${provider}/test`, { brand });
  return status === 200 && body.status === 'connected' ? [] : [`${when} ${body.status ?? body.code}`];
}

/** What can be renewed is due, and so is all that is on its way to its end. */
async function minutesPass(world: StagedWorld): Promise<void> {
  await world.sql(
    `update connections set refresh_at = now() - interval '1 minute' where refresh_at is not null and status = 'connected'`,
  );
  await world.sql(`update revocations set next_attempt_at = now() - interval '1 minute'`);
  await fire(world);
  await quiet(world);
}

/** Connections that could not be renewed, or have not been. */
async function unwell(world: StagedWorld): Promise<string[]> {
  const rows = await world.sql(
    `select status, last_error_code, failures from connections
     where status <> 'connected' or failures > 0 or refresh_at <= now()`,
  );
  return rows.map(({ status, last_error_code }) => `in the end ${status}, ${last_error_code}`);
}

/** Waits until the Worker has asked nobody anything for a while. */
async function quiet(world: StagedWorld): Promise<void> {
  const asked = () => world.neon.count() + world.gateway.calls.length + world.logs.length;
  const end = Date.now() + 20_000;
  for (let [before, calm] = [-1, 0]; calm < 4; ) {
    if (Date.now() > end) throw new Error('the Worker does not come to rest');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = asked();
    calm = now === before ? calm + 1 : 0;
    before = now;
  }
}
