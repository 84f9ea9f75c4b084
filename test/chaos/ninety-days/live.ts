import { seeded } from '../figures.ts';
import type { Stage } from '../stage.ts';
import { DAY, HOUR, MINUTE, openDays, type Watch } from './days.ts';
import { type Course, inDays } from './judge.ts';
import type { Row } from './rows.ts';
import { type Cast, connectAgain, LAST_API_TOKENS, settle } from './tenures.ts';

/** Zendesk's API tokens end 74 days later. */
const BEGIN = Date.parse('2027-02-15T00:00:00Z');

/** What came of a world's days. */
export interface Lived {
  courses: Course[];
  /** Access tokens that ended while their connections stood as connected. */
  expired: string[];
  /** Tests that said something else than they had to. */
  mistaken: string[];
  tests: number;
  /** The least that was left of an access token when the cron found it due. */
  shortest: number;
  calls: ReadonlyMap<string, readonly number[]>;
  firings: number;
  /** Firings that were not worked off, and what was left. */
  unsettled: readonly string[];
  /** From the first moment to the last. */
  length: number;
  until: number;
}

/**
 * Lives a cast's days. Its connections are tested daily at an odd moment, and after their end; whoever has come to an
 * end connects again within hours.
 */
export async function live(
  stage: Stage,
  cast: Cast,
  { days: count, step, seed }: { days: number; step: number; seed: number },
): Promise<Lived> {
  const random = seeded(seed);
  const days = await openDays(stage, { begin: BEGIN, step, env: cast.env });
  const { clock, agenda, world } = days;
  const courses: Course[] = (await settle(world, cast)).map((tenure) => ({
    tenure,
    spans: [],
    told: [],
    renewals: 0,
    isComing: false,
  }));
  // What lives as long as the days is seen to its end, and to what comes after.
  const length = count * DAY + 7 * HOUR;
  const lived = { courses, expired: [] as string[], mistaken: [] as string[], tests: 0, shortest: Infinity };
  const byId = new Map<string, Course>();
  const events = new Set<string>();

  async function begin(course: Course): Promise<void> {
    const { tenure, spans } = course;
    const from = clock.now();
    const lasts = tenure.lasts?.(spans.length, from);
    const reply = await connectAgain(tenure, spans.length);
    spans.push({ from, end: lasts === undefined ? Infinity : from + lasts });
    course.isComing = false;
    byId.set(String(reply.body.id), course);
  }

  async function test({ tenure, spans }: Course): Promise<void> {
    const end = spans.at(-1)?.end ?? 0;
    const must = clock.now() < end ? 'connected' : 'reauthorization_required';
    const { status, body } = await tenure.client.post(`/api/connectors/${tenure.provider}/test`);
    lived.tests += 1;
    const isFine = must !== 'connected' || body.last_error === null;
    if (status === 200 && body.status === must && isFine) return;
    const said = `${status} ${body.status ?? body.code} ${body.last_error?.code ?? ''}`;
    lived.mistaken.push(`${tenure.name}, ${inDays(clock.now() - end)} after its end: ${said}`);
  }

  const expired = ({ id, expires }: Row) =>
    lived.expired.push(`${byId.get(id)?.tenure.name ?? id}: ${inDays(clock.now() - expires)} over`);

  const watch: Watch = {
    found(rows) {
      for (const row of rows.filter(({ status }) => status === 'connected')) {
        if (row.expires <= clock.now() && row.ends > clock.now()) expired(row);
        if (row.refresh > clock.now()) continue;
        const course = byId.get(row.id);
        if (course) course.renewals += 1;
        // What ends with its token has no margin.
        if (row.ends > row.expires + MINUTE) {
          lived.shortest = Math.min(lived.shortest, row.expires - clock.now());
        }
      }
    },
    left(rows) {
      for (const row of rows) if (row.status === 'connected' && row.expires <= clock.now()) expired(row);
    },
    happened(told) {
      for (const { id, type, connection, at } of told) {
        const course = byId.get(connection);
        if (!course || events.has(id)) continue;
        events.add(id);
        course.told.push({ type, at });
        if (type !== 'connection.reauthorization_required' || course.isComing) continue;
        course.isComing = true;
        agenda.push({ at: clock.now() + 2.3 * MINUTE, run: () => test(course) });
        if (course.spans.length === course.tenure.times) continue;
        agenda.push({ at: clock.now() + HOUR * (1 + 5 * random()), run: () => begin(course) });
      }
    },
  };

  for (const course of courses) await begin(course);
  agenda.push({
    at: LAST_API_TOKENS,
    run: () => world.store('zendesk').set('settings.apiTokensRemoved', true),
  });
  for (let day = 0; day < count; day += 1) {
    const at = BEGIN + day * DAY + HOUR + random() * (Math.min(1, count - day) * DAY - HOUR);
    const run = async () => {
      for (const course of courses) if (!course.tenure.isIdle) await test(course);
    };
    agenda.push({ at, run });
  }
  await days.pass(BEGIN + length, watch);
  return { ...lived, ...days.counts, calls: days.calls, length, until: BEGIN + length };
}
