import { type ClientRequest, request } from 'node:http';
import { heldBy } from './callers-gone/held.ts';
import {
  comingBack,
  forAll,
  signIn,
  type Visit,
  type Visitor,
  visit,
  visitors,
} from './callers-gone/people.ts';
import { type StrictGithub, strictGithub } from './callers-gone/strict-github.ts';
import { openToll, SIDES, type Side, type Toll } from './callers-gone/toll.ts';
import { type Figure, figure } from './figures.ts';
import type { Stage, StagedWorld } from './stage.ts';

/** A call that is never made is not waited for longer. */
const STANDS_WITHIN = 5_000;
/** In which the runtime notices that a caller has gone. */
const NOTICED_WITHIN = 50;
const CONTROL_WITHIN = 5_000;
/** Without a log line a request has come to its end when it has been still for so long. */
const CALM = 300;
const ENDS_WITHIN = 15_000;

/** The Worker whose callers go, one beside it that prepares and looks, and what both talk to. */
interface Setting {
  victim: StagedWorld;
  beside: StagedWorld;
  toll: Toll;
  github: StrictGithub;
}

interface Kind {
  name: string;
  route: string;
  /** As the connection stands at the end. */
  ends: 'connected' | 'disconnected';
  prepare(setting: Setting, visitor: Visitor): Promise<Visit>;
}

const connected = async ({ beside, github }: Setting, visitor: Visitor) => signIn(beside, github, visitor);

/** What the access token that stands there is renewed for. */
const overdue = ({ victim }: Setting, { userId }: Visitor) =>
  victim.sql(`update connections set expires_at = now() - interval '1 minute' where user_id = $1`, [userId]);

const kinds: readonly Kind[] = [
  {
    name: 'the callback',
    route: '/api/oauth/:provider/callback',
    ends: 'connected',
    prepare: ({ victim, github }, visitor) => comingBack(victim, github, visitor),
  },
  {
    name: 'POST …/test, which renews the token',
    route: '/api/connectors/:provider/test',
    ends: 'connected',
    async prepare(setting, visitor) {
      await connected(setting, visitor);
      await overdue(setting, visitor);
      return visit(setting.victim, visitor, 'POST', '/api/connectors/github/test');
    },
  },
  {
    name: 'DELETE',
    route: '/api/connectors/:provider',
    ends: 'disconnected',
    async prepare(setting, visitor) {
      await connected(setting, visitor);
      return visit(setting.victim, visitor, 'DELETE', '/api/connectors/github');
    },
  },
  {
    name: 'DELETE, which renews the token to end it',
    route: '/api/connectors/:provider',
    ends: 'disconnected',
    async prepare(setting, visitor) {
      await connected(setting, visitor);
      await overdue(setting, visitor);
      return visit(setting.victim, visitor, 'DELETE', '/api/connectors/github');
    },
  },
];

/**
 * Callers whose connection is reset while the Worker waits for something outside: at each of its waits, before the
 * other side has done its work and after. The tokens are such that each works once.
 */
export async function callersGone(
  stage: Stage,
  { each, sides = SIDES }: { each: number; sides?: readonly Side[] },
): Promise<Figure[]> {
  const toll = await openToll();
  try {
    const github = strictGithub();
    // What is queued stays there: nothing that the requests have not done themselves makes up for it.
    const victim = await stage.open({
      ...toll.options,
      simulators: [github.factory],
      rateLimits: false,
      unconsumed: true,
    });
    toll.leadTo(victim);
    const setting: Setting = { victim, toll, github, beside: await stage.beside(victim) };
    const figures = [await control(setting, Math.max(2, Math.round(each / 10)))];
    for (const kind of kinds) figures.push(...(await play(setting, kind, each, sides)));
    return figures;
  } finally {
    await toll.close();
  }
}

/** Whether the world ends what nobody waits for, as the platform does: else nothing here says anything. */
async function control({ victim, toll }: Setting, times: number): Promise<Figure> {
  let ended = 0;
  for (const person of await visitors(victim, times)) {
    const held = toll.arm(0, 'not reached yet');
    const asked = send(visit(victim, person, 'GET', '/api/connectors/list'));
    await held.stands(STANDS_WITHIN);
    asked.socket?.resetAndDestroy();
    if (await held.isGivenUp(CONTROL_WITHIN)) ended += 1;
    held.release();
  }
  return figure(
    'reads that the runtime ended when their callers went',
    String(times),
    ended,
    ended === times,
  );
}

async function play(setting: Setting, kind: Kind, each: number, sides: readonly Side[]): Promise<Figure[]> {
  const points = await waitsOf(setting, kind);
  const faults = {
    dead: new Tally(),
    unusable: new Tally(),
    lost: new Tally(),
    short: new Tally(),
    unlogged: new Tally(),
  };
  let gone = 0;
  for (const { at, what } of points) {
    // An operation on KV can be held before it alone.
    for (const side of what.startsWith('kv ') ? SIDES.slice(0, 1) : sides) {
      const point = `${what}, ${side}`;
      const people = await visitors(setting.victim, each);
      const visits = new Map<Visitor, Visit>();
      await forAll(people, async (person) => void visits.set(person, await kind.prepare(setting, person)));
      for (const prepared of visits.values()) {
        const outcome = await leave(setting, kind, prepared, at, side);
        if (outcome === 'missed') throw new Error(`${kind.name}: nothing came to ${point}`);
        gone += 1;
        if (outcome === 'unlogged') faults.unlogged.add(point);
      }
      await judge(setting, kind, people, (fault) => faults[fault].add(point));
    }
  }
  const title = `${kind.name}, the caller gone ${gone} times, at ${points.length} waits`;
  const must0 = (what: string, tally: Tally) =>
    figure(`${title}: ${what}`, '0', String(tally), tally.count === 0);
  return [
    must0('connections dead by it', faults.dead),
    must0('connections whose next test says anything but connected', faults.unusable),
    must0('living tokens that nobody holds', faults.lost),
    must0(`that did not end ${kind.ends}`, faults.short),
    must0('without a log line', faults.unlogged),
  ];
}

/** What the Worker waits for outside in one such request, in order. */
async function waitsOf(setting: Setting, kind: Kind): Promise<{ at: number; what: string }[]> {
  const { toll, victim } = setting;
  const [person] = await visitors(victim, 1);
  if (!person) throw new Error('nobody');
  const prepared = await kind.prepare(setting, person);
  toll.arm();
  const reply = await fetch(prepared.url, { method: prepared.method, headers: prepared.headers });
  if (reply.status !== 200) throw new Error(`${kind.name} answered ${reply.status} ${await reply.text()}`);
  return toll.crossings.map(({ place, what }, at) => ({ at, what: `${place} ${what}` }));
}

/** One caller that goes while the call at `at` is held. */
async function leave(
  { victim, toll }: Setting,
  kind: Kind,
  { method, url, headers }: Visit,
  at: number,
  side: Side,
): Promise<'logged' | 'unlogged' | 'missed'> {
  const from = victim.logs.length;
  const isLogged = () =>
    victim.logs
      .slice(from)
      .some(
        (line) =>
          line.includes('"event":"request"') &&
          line.includes(`"route":"${kind.route}"`) &&
          line.includes(`"method":"${method}"`),
      );
  const held = toll.arm(at, side);
  const asked = send({ method, url, headers });
  if (!(await held.stands(STANDS_WITHIN))) return 'missed';
  asked.socket?.resetAndDestroy();
  await held.isGivenUp(NOTICED_WITHIN);
  held.release();
  let [still, seen] = [performance.now(), toll.crossings.length];
  for (const end = performance.now() + ENDS_WITHIN; performance.now() < end; ) {
    if (isLogged()) return 'logged';
    if (toll.under > 0 || toll.crossings.length !== seen) {
      seen = toll.crossings.length;
      still = performance.now();
    }
    if (performance.now() - still > CALM) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return 'unlogged';
}

/** Looks at what became of the connections, when minutes have passed and leases are over. */
async function judge(
  { victim, beside, github }: Setting,
  kind: Kind,
  people: readonly Visitor[],
  fault: (what: 'dead' | 'unusable' | 'lost' | 'short') => void,
): Promise<void> {
  const ids = people.map(({ userId }) => userId);
  await victim.sql(
    `update connections set lease_id = null, lease_until = null where user_id = any ($1::uuid[])`,
    [ids],
  );
  const found = await heldBy(victim, ids);
  await forAll(people, async (person) => {
    const held = found.get(person.userId);
    const living = github.pairs(person.account).filter(({ isAlive }) => isAlive);
    const tokens = [...(held?.kept ? [held.kept] : []), ...(held?.ending ?? [])];
    const isHeld = (pair: (typeof living)[number]) =>
      tokens.some(({ access, refresh }) => access === pair.access || refresh === pair.refresh);
    if (!living.every(isHeld)) fault('lost');
    if (held?.status !== kind.ends) fault('short');
    if (held?.kept === undefined) return;
    if (!living.some(({ refresh }) => refresh === held.kept?.refresh)) return fault('dead');
    const { method, url, headers } = visit(beside, person, 'POST', '/api/connectors/github/test');
    const reply = await fetch(url, { method, headers });
    const { status } = (await reply.json()) as { status: unknown };
    if (status !== 'connected') fault('unusable');
  });
}

function send({ method, url, headers }: Visit): ClientRequest {
  const asked = request(url, { method, headers, agent: false });
  // It is reset, or answered before that.
  asked.on('error', () => {});
  asked.on('response', (response) => void response.resume().on('error', () => {}));
  asked.end();
  return asked;
}

/** How often something was so, and where. */
class Tally {
  count = 0;
  readonly #at = new Map<string, number>();

  add(where: string): void {
    this.count += 1;
    this.#at.set(where, (this.#at.get(where) ?? 0) + 1);
  }

  toString(): string {
    if (this.count === 0) return '0';
    return `${this.count}: ${[...this.#at].map(([where, count]) => `${count} at ${where}`).join('; ')}`;
  }
}
