import { type Figure, figure } from './figures.ts';
import { plant } from './plant.ts';
import type { Stage } from './stage.ts';
import { quantile } from './steady.ts';
import { openCallers, type Work } from './strangers-bodies/callers.ts';
import { type Asked, letLoose, overLimit, watchStatements } from './strangers-bodies/strangers.ts';
import { wait } from './webhooks/faults.ts';

const MB = 1024 * 1024;

/**
 * Strangers with no session, wrong ones, and bodies up to 25 MB that are not signed, or wrongly, while callers work: what
 * that costs the callers, PostgreSQL and the isolate. The callers' time before they come is what their time is held to.
 */
export async function strangersBodies(
  stage: Stage,
  {
    callers: count,
    perSecond,
    seconds,
    addresses,
    seed,
  }: { callers: number; perSecond: number; seconds: number; addresses: number; seed: number },
): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: true, unconsumed: true });
  const callers = await openCallers(world, count);
  const [shop] = await plant(world, 'shopify', [{ access: 'access', refresh: 'refresh' }], {
    refreshAt: `now() + interval '1 day'`,
  });
  const statements = watchStatements(world);
  try {
    // What an isolate does once is done.
    await callers.workUntil(wait(5_000));
    const before = await callers.workUntil(wait(seconds * 1000));
    const loose = letLoose({
      url: world.url,
      connectionId: shop?.id ?? '',
      addresses,
      perSecond,
      seconds,
      seed,
    });
    const during = await callers.workUntil(loose);
    const asked = await loose;

    const spent = overLimit(asked).filter(({ mark }) => mark !== undefined);
    const costly = spent.filter(({ mark }) => statements.of(mark ?? '') > 0);
    const all = asked.reduce((sum, { mark }) => sum + (mark === undefined ? 0 : statements.of(mark)), 0);
    const unasked = [
      ...asked.filter(({ kind }) => kind === 'unsigned').map(({ mark }) => mark ?? ''),
      shop?.id ?? '',
    ].filter((mark) => statements.of(mark) > 0);
    const letIn = asked.filter(({ status }) => status >= 200 && status < 300).length;
    const [own, theirs] = [quantile(before.took, 0.99), quantile(during.took, 0.99)];
    return [
      figure(
        `strangers who were let in, of ${asked.length}: ${summaryOf(asked)}`,
        '0',
        letIn,
        letIn === 0 && asked.length === perSecond * seconds,
      ),
      figure(
        `of ${before.took.length} and ${during.took.length} requests of ${count} callers, not answered with 200 before, and while there are strangers`,
        '0; 0',
        `${othersOf(before)}; ${othersOf(during)}`,
        before.others.size === 0 && during.others.size === 0,
      ),
      figure(
        `statements for ${spent.length} strangers at addresses over their limit, of ${all} statements for strangers`,
        '0',
        costly.length,
        spent.length > 0 && costly.length === 0,
      ),
      figure(
        // Whether a connection is there is asked once before a large body for it is read, and known for a minute.
        'deliveries that are not signed, or with another secret than the app’s, for which PostgreSQL was asked',
        'one in ten seconds at most',
        unasked.length,
        unasked.length <= Math.ceil(seconds / 10),
      ),
      figure(
        'the most memory that the isolate held, and how often it was killed for it',
        'less than 100 MB, 0',
        `${(world.memory.peak / MB).toFixed(0)} MB, ${world.memory.exceeded}`,
        world.memory.peak > 0 && world.memory.peak < 100 * MB && world.memory.exceeded === 0,
      ),
      figure(
        'p99 of the callers while there are strangers, over their own before',
        'at most 1.5',
        `${(theirs / own).toFixed(2)} (${theirs.toFixed(0)} ms over ${own.toFixed(0)} ms)`,
        theirs <= 1.5 * own,
      ),
    ];
  } finally {
    callers.close();
  }
}

/** How many a second it came to, how much they sent, and what they were answered. */
function summaryOf(asked: readonly Asked[]): string {
  const [first, last] = [
    Math.min(...asked.map(({ sent }) => sent)),
    Math.max(...asked.map(({ answered }) => answered)),
  ];
  const rate = (asked.length * 1000) / Math.max(1, last - first);
  const bytes = asked.reduce((sum, each) => sum + each.bytes, 0);
  const statuses = [...Map.groupBy(asked, ({ status }) => status)].sort(([one], [other]) => one - other);
  const answers = statuses.map(([status, those]) => `${those.length} ${status === 0 ? 'not' : status}`);
  return `${rate.toFixed(0)} a second, ${(bytes / MB).toFixed(0)} MB, answered ${answers.join(', ')}`;
}

function othersOf({ others }: Work): string {
  return [...others].map(([status, count]) => `${count} with ${status}`).join(', ') || '0';
}
