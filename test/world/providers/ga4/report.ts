import { addCounts, type Count, type Fact, factsOf } from './facts.ts';
import { fieldsOf, meets } from './filters.ts';
import type { Property } from './properties.ts';
import type { RealtimeRequest, ReportRequest } from './requests.ts';
import { DIMENSIONS, METRICS } from './schema.ts';

const DAY = 86_400_000;
const DEFAULT_LIMIT = 10_000;
const MOST_ROWS = 250_000;

/** A report that cannot be made: INVALID_ARGUMENT, with this message. */
export class ReportProblem extends Error {}

interface Group {
  dimensions: string[];
  counts: Record<Count, number>;
}

/** properties.runReport; dates are the property's, whose zone this world takes for UTC. */
export function runReport(request: ReportRequest, property: Property, now: number) {
  checkFields(request, () => true);
  const isCompared = request.dateRanges.length > 1;
  const groups = request.dateRanges.flatMap((range, index) => {
    const [start, end] = [dayOf(range.startDate, now), dayOf(range.endDate, now)];
    if (start > end) throw new ReportProblem(`Invalid date range: ${start} is after ${end}.`);
    const facts = daysBetween(start, end).flatMap((day) => factsOf(property.id, day));
    // More than one range is told apart by a dimension that comes by itself.
    return groupFacts(request, facts, isCompared ? [range.name ?? `date_range_${index}`] : []);
  });
  return {
    ...tableOf(request, groups, isCompared ? ['dateRange'] : []),
    metadata: {
      currencyCode: request.currencyCode ?? property.currencyCode,
      timeZone: property.timeZone,
    },
    kind: 'analyticsData#runReport',
  };
}

/** properties.runRealtimeReport: of today what little is known at once. */
export function runRealtimeReport(request: RealtimeRequest, property: Property, now: number) {
  checkFields(request, (field) => field.isRealtime === true);
  const facts = factsOf(property.id, new Date(now).toISOString().slice(0, 10));
  const table = tableOf(
    { ...request, offset: undefined, keepEmptyRows: false },
    groupFacts(request, facts, []),
    [],
  );
  return { ...table, kind: 'analyticsData#runRealtimeReport' };
}

type Common = RealtimeRequest | ReportRequest;

function checkFields(request: Common, isAllowed: (field: { isRealtime?: boolean }) => boolean): void {
  const dimensions = request.dimensions.map(({ name }) => name);
  const metrics = request.metrics.map(({ name }) => name);
  const check = (names: string[], known: typeof DIMENSIONS | typeof METRICS, kind: string) => {
    const unknown = names.find(
      (name) => !isAllowed(known.get(name) ?? { isRealtime: false }) || !known.has(name),
    );
    if (unknown === undefined) return;
    const page = 'https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema';
    throw new ReportProblem(
      `Field ${unknown} is not a valid ${kind}. For a list of valid dimensions and metrics, see ${page}`,
    );
  };
  check([...dimensions, ...fieldsOf(request.dimensionFilter)], DIMENSIONS, 'dimension');
  check([...metrics, ...fieldsOf(request.metricFilter)], METRICS, 'metric');
  if (dimensions.length + metrics.length === 0) {
    throw new ReportProblem('The request must have at least one dimension or one metric.');
  }
  const ordered = request.orderBys.map(
    ({ metric, dimension }) => metric?.metricName ?? dimension?.dimensionName,
  );
  const missing = ordered.find((name) => ![...dimensions, ...metrics, 'dateRange'].includes(name ?? ''));
  if (missing !== undefined) throw new ReportProblem(`Order by ${missing}: the field is not in the request.`);
  const numbers = [request.limit ?? '1', 'offset' in request ? (request.offset ?? '0') : '0'].map(Number);
  if ((numbers[0] ?? 0) < 1 || (numbers[1] ?? 0) < 0) {
    throw new ReportProblem('The limit must be positive, and the offset must not be negative.');
  }
}

function groupFacts(request: Common, facts: Fact[], suffix: string[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { dimensions, counts } of facts) {
    if (!meets(request.dimensionFilter, (name) => dimensions[name] ?? '')) continue;
    const values = [...request.dimensions.map(({ name }) => dimensions[name] ?? ''), ...suffix];
    const key = JSON.stringify(values);
    const before = groups.get(key);
    groups.set(key, { dimensions: values, counts: before ? addCounts(before.counts, counts) : counts });
  }
  return [...groups.values()].filter(({ counts }) =>
    meets(request.metricFilter, (name) => String(metricOf(name, counts))),
  );
}

type Shape = RealtimeRequest & Pick<ReportRequest, 'keepEmptyRows'> & { offset?: string | undefined };

function tableOf(request: Omit<Shape, 'minuteRanges'>, groups: Group[], suffix: string[]) {
  const dimensions = [...request.dimensions.map(({ name }) => name), ...suffix];
  const metrics = request.metrics.map(({ name }) => name);
  const kept = groups
    .map(({ dimensions: values, counts }) => ({
      values,
      numbers: metrics.map((name) => metricOf(name, counts)),
    }))
    .filter(
      ({ numbers }) => request.keepEmptyRows || metrics.length === 0 || numbers.some((each) => each !== 0),
    )
    .sort((a, b) => compare(a, b));

  const start = Number(request.offset ?? 0);
  const size = Math.min(Number(request.limit ?? DEFAULT_LIMIT), MOST_ROWS);
  const rowOf = (values: string[], numbers: number[]) => ({
    ...(values.length > 0 && { dimensionValues: values.map((value) => ({ value })) }),
    ...(numbers.length > 0 && { metricValues: numbers.map((value) => ({ value: String(value) })) }),
  });
  const rows = kept.slice(start, start + size).map(({ values, numbers }) => rowOf(values, numbers));
  const aggregate = (name: string, fold: (numbers: number[]) => number) => {
    const numbers = metrics.map((_, index) => fold(kept.map((row) => row.numbers[index] ?? 0)));
    return [
      rowOf(
        dimensions.map(() => `RESERVED_${name}`),
        kept.length === 0 ? [] : numbers,
      ),
    ];
  };
  const asked = new Set(request.metricAggregations);

  // What is empty is left out, the rows as well.
  return {
    ...(dimensions.length > 0 && { dimensionHeaders: dimensions.map((name) => ({ name })) }),
    ...(metrics.length > 0 && {
      metricHeaders: metrics.map((name) => ({ name, type: METRICS.get(name)?.type })),
    }),
    ...(rows.length > 0 && { rows }),
    ...(asked.has('TOTAL') && { totals: aggregate('TOTAL', (all) => all.reduce((a, b) => a + b, 0)) }),
    ...(asked.has('MAXIMUM') && { maximums: aggregate('MAX', (all) => Math.max(...all)) }),
    ...(asked.has('MINIMUM') && { minimums: aggregate('MIN', (all) => Math.min(...all)) }),
    ...(kept.length > 0 && { rowCount: kept.length }),
  };

  /** Without an order the first metric decides, the largest first. */
  function compare(a: { values: string[]; numbers: number[] }, b: { values: string[]; numbers: number[] }) {
    for (const { desc, metric, dimension } of request.orderBys) {
      const index = metric
        ? metrics.indexOf(metric.metricName)
        : dimensions.indexOf(dimension?.dimensionName ?? '');
      const order = metric
        ? (a.numbers[index] ?? 0) - (b.numbers[index] ?? 0)
        : dimension?.orderType === 'NUMERIC'
          ? Number(a.values[index]) - Number(b.values[index])
          : (a.values[index] ?? '').localeCompare(b.values[index] ?? '');
      if (order !== 0) return desc ? -order : order;
    }
    return request.orderBys.length === 0 ? (b.numbers[0] ?? 0) - (a.numbers[0] ?? 0) : 0;
  }
}

function metricOf(name: string, counts: Record<Count, number>): number {
  const of = METRICS.get(name)?.of ?? 'sessions';
  if (typeof of === 'string') return counts[of];
  const [dividend, divisor] = of;
  return counts[divisor] === 0 ? 0 : counts[dividend] / counts[divisor];
}

function dayOf(text: string, now: number): string {
  const back = text === 'today' ? 0 : text === 'yesterday' ? 1 : Number(/^(\d+)daysAgo$/.exec(text)?.[1]);
  const time = Number.isNaN(back) ? Date.parse(`${text}T00:00:00Z`) : now - back * DAY;
  const day = Number.isNaN(time) ? '' : new Date(time).toISOString().slice(0, 10);
  if (day === '' || (Number.isNaN(back) && day !== text)) throw new ReportProblem(`Invalid date: ${text}.`);
  return day;
}

/** The days that there are facts of: a year's at most, the latest. */
function daysBetween(start: string, end: string): string[] {
  const last = Date.parse(`${end}T00:00:00Z`);
  const count = Math.min(366, (last - Date.parse(`${start}T00:00:00Z`)) / DAY + 1);
  return Array.from({ length: count }, (_, index) => new Date(last - index * DAY).toISOString().slice(0, 10));
}
