import { githubAppSettings } from '../world/providers/github.ts';
import { type Figure, figure, seeded } from './figures.ts';
import { budgetFigures } from './ninety-days/budgets.ts';
import { DAY, HOUR, MINUTE, openDays, type Watch } from './ninety-days/days.ts';
import { type Course, eventFigures, inDays } from './ninety-days/judge.ts';
import type { Row } from './ninety-days/rows.ts';
import { connectAgain, LAST_API_TOKENS, settle } from './ninety-days/tenures.ts';
import type { Stage } from './stage.ts';

/** Zendesk's API tokens end 74 days later. */
const BEGIN = Date.parse('2027-02-15T00:00:00Z');
/** As the README says, less what a firing of the cron may come later. */
const AHEAD = 5 * MINUTE;
/** Of a token of an hour. */
const RENEWALS = 30;

/**
 * All connections there are, over many days. They are tested daily at an odd moment, and after their end; whoever has
 * come to an end connects again within hours.
 */
export async function ninetyDays(
  stage: Stage,
  { days: count, stepMinutes }: { days: number; stepMinutes: number },
): Promise<Figure[]> {
  const step = stepMinutes * MINUTE;
  const random = seeded(20_270_215);
  const app = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
  const days = await openDays(stage, { begin: BEGIN, step, environments: [{}, Object.fromEntries(app)] });
  const { clock, agenda } = days;
  const [usual, other] = days.worlds;
  if (!usual || !other) throw new Error('two worlds');

  const courses: Course[] = (await settle(usual, other)).map((tenure) => ({
    tenure,
    spans: [],
    told: [],
    renewals: 0,
    isComing: false,
  }));
  const byId = new Map<string, Course>();
  const events = new Set<string>();
  const wrong = { expired: [] as string[], tested: [] as string[] };
  let tests = 0;
  let shortest = Infinity;

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
    tests += 1;
    const isFine = must !== 'connected' || body.last_error === null;
    if (status === 200 && body.status === must && isFine) return;
    const said = `${status} ${body.status ?? body.code} ${body.last_error?.code ?? ''}`;
    wrong.tested.push(`${tenure.name}, ${inDays(clock.now() - end)} after its end: ${said}`);
  }

  const nameOf = ({ id }: Row) => byId.get(id)?.tenure.name ?? id;
  const expired = (row: Row) =>
    wrong.expired.push(`${nameOf(row)}: ${inDays(clock.now() - row.expires)} over`);

  const watch: Watch = {
    found(rows) {
      for (const row of rows.filter(({ status }) => status === 'connected')) {
        if (row.expires <= clock.now() && row.ends > clock.now()) expired(row);
        if (row.refresh > clock.now()) continue;
        const course = byId.get(row.id);
        if (course) course.renewals += 1;
        // What ends with its token has no margin.
        if (row.ends > row.expires + MINUTE) shortest = Math.min(shortest, row.expires - clock.now());
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
    run: () => usual.store('zendesk').set('settings.apiTokensRemoved', true),
  });
  for (let day = 0; day < count; day += 1) {
    const at = BEGIN + day * DAY + HOUR + random() * (Math.min(1, count - day) * DAY - HOUR);
    const run = async () => {
      for (const course of courses) if (!course.tenure.isIdle) await test(course);
    };
    agenda.push({ at, run });
  }
  // What lives as long as the days is seen to its end, and to what comes after.
  const until = BEGIN + count * DAY + 7 * HOUR;
  await days.pass(until, watch);

  const renewals = courses.reduce((sum, course) => sum + course.renewals, 0);
  const most = Math.max(...courses.map((course) => course.renewals)) / ((until - BEGIN) / DAY);
  const list = (wrong: string[]) => [wrong.length, ...wrong.slice(0, 8)].join('; ');
  return [
    figure('access tokens that ended while connected', '0', list(wrong.expired), wrong.expired.length === 0),
    figure(
      'left of an access token when the cron finds it due',
      `${inDays(AHEAD)} less ${stepMinutes} minutes`,
      inDays(shortest),
      shortest >= AHEAD - step,
    ),
    figure(`${tests} tests that said otherwise`, '0', list(wrong.tested), wrong.tested.length === 0),
    ...eventFigures(courses, until, step),
    figure(
      'renewals of one connection',
      `at most ${RENEWALS} a day`,
      `${most.toFixed(1)} a day, ${renewals} in all`,
      most <= RENEWALS && renewals > 0,
    ),
    figure(
      `${days.counts.firings} firings that were not worked off`,
      '0',
      days.counts.unsettled,
      days.counts.unsettled === 0,
    ),
    ...budgetFigures(days.calls),
  ];
}
