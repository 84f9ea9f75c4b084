import { type DateRange, dateRange, daysOf } from './dates.ts';
import { type Condition, type Query, QueryProblem } from './gaql.ts';
import type { Customer } from './people.ts';
import { INT64, METRICS, RESOURCES, type Row, rowsOf, type Value } from './tables.ts';

export interface Report {
  results: object[];
  fieldMask: string;
}

/** Answers a query for a customer, or throws the QueryProblem. */
export function runQuery(query: Query, customer: Customer, now: number): Report {
  check(query, customer);
  const range = dateRange(query.conditions, now);
  const isDaily = query.fields.includes('segments.date');
  if (isDaily && !range.isFiltered) {
    const message = 'Error in query: a date segment in SELECT needs a finite date range in WHERE.';
    throw new QueryProblem('EXPECTED_FILTERS_ON_DATE_RANGE', message);
  }
  const conditions = query.conditions.filter(({ field }) => field !== 'segments.date');
  const rows = rowsOf(customer, query.from)
    .flatMap((row) => overDays(row, range, isDaily))
    .filter((row) => conditions.every((condition) => meets(row[condition.field] ?? '', condition)))
    .sort((a, b) => compareRows(a, b, query.orderings))
    .slice(0, query.limit ?? undefined);
  return {
    results: rows.map((row) => resultOf(row, query)),
    fieldMask: query.fields.map(camelPath).join(','),
  };
}

function check(query: Query, customer: Customer): void {
  const resource = RESOURCES[query.from];
  if (!resource) {
    const message = `Error in FROM clause: ${query.from} is not a resource.`;
    throw new QueryProblem('BAD_RESOURCE_TYPE_IN_FROM_CLAUSE', message);
  }
  const used = [...query.fields, ...query.conditions.map(({ field }) => field)];
  const ordered = query.orderings.map(({ field }) => field);
  const isMetric = (field: string) => METRICS.includes(field) || field === 'segments.date';
  const known = (field: string) =>
    resource.fields.includes(field) || (resource.hasMetrics && isMetric(field));
  const unknown = [...used, ...ordered].find((field) => !known(field));
  if (unknown !== undefined) {
    throw new QueryProblem('UNRECOGNIZED_FIELD', `Unrecognized field in the query: '${unknown}'.`);
  }
  if (customer.isManager && used.some(isMetric)) {
    const message =
      'Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests ' +
      'against each client account under the manager account.';
    throw new QueryProblem('REQUESTED_METRICS_FOR_MANAGER', message);
  }
  const missing = ordered.find((field) => isMetric(field) && !query.fields.includes(field));
  if (missing !== undefined) {
    const message = `The field ${missing} of ORDER BY must be in SELECT.`;
    throw new QueryProblem('EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE', message);
  }
}

/** The metrics of a row for all days together, or for each; no two weekdays are alike. */
function overDays(row: Row, range: DateRange, isDaily: boolean): Row[] {
  const days = daysOf(range).map((date) => ({ date, weight: 1 + (Number(date.slice(-2)) % 3) }));
  const weighted = (weight: number, more: Row): Row => {
    const own = Object.entries(row).map(([name, value]): [string, Value] => [
      name,
      name.startsWith('metrics.') && typeof value === 'number' ? value * weight : value,
    ]);
    return { ...Object.fromEntries(own), ...more };
  };
  const rows = isDaily
    ? days.map(({ date, weight }) => weighted(weight, { 'segments.date': date }))
    : [
        weighted(
          days.reduce((sum, { weight }) => sum + weight, 0),
          {},
        ),
      ];
  return rows.map((each) => {
    const clicks = Number(each['metrics.clicks'] ?? 0);
    const ratio = (dividend: number, divisor: number) => (divisor === 0 ? 0 : dividend / divisor);
    return {
      ...each,
      'metrics.ctr': ratio(clicks, Number(each['metrics.impressions'] ?? 0)),
      'metrics.average_cpc': ratio(Number(each['metrics.cost_micros'] ?? 0), clicks),
    };
  });
}

function meets(value: Value, { operator, values }: Condition): boolean {
  const order = values.map((each) => compare(value, each));
  const [first = 0, last = 0] = order;
  switch (operator) {
    case '=':
      return first === 0;
    case '!=':
      return first !== 0;
    case '>':
      return first > 0;
    case '>=':
      return first >= 0;
    case '<':
      return first < 0;
    case '<=':
      return first <= 0;
    case 'IN':
      return order.includes(0);
    case 'NOT IN':
      return !order.includes(0);
    case 'BETWEEN':
      return first >= 0 && last <= 0;
    case 'LIKE':
      return like(value, values[0] ?? '');
    case 'NOT LIKE':
      return !like(value, values[0] ?? '');
    case 'DURING':
      throw new QueryProblem('OPERATOR_FIELD_MISMATCH', 'Error in query: DURING is for dates only.');
  }
}

function like(value: Value, pattern: string): boolean {
  const parts = pattern.split('%').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(String(value));
}

/** Numbers as numbers; a condition has its values as text, and GAQL writes TRUE as it likes. */
function compare(a: Value, b: Value): number {
  if (typeof a === 'number') return a - Number(b);
  const [left, right] =
    typeof a === 'boolean' ? [String(a), String(b).toLowerCase()] : [String(a), String(b)];
  return left < right ? -1 : Number(left > right);
}

function compareRows(a: Row, b: Row, orderings: Query['orderings']): number {
  for (const { field, isDescending } of orderings) {
    const order = compare(a[field] ?? '', b[field] ?? '');
    if (order !== 0) return isDescending ? -order : order;
  }
  return 0;
}

/** A row of the answer: lowerCamelCase, int64 as text, a metric of zero left out, resource names on top. */
function resultOf(row: Row, query: Query): object {
  const roots = new Set([query.from, ...query.fields.map((field) => field.split('.')[0] ?? '')]);
  const names = [...roots].map((root) => `${root}.resource_name`).filter((name) => row[name] !== undefined);
  const result: Record<string, unknown> = {};
  for (const field of new Set([...names, ...query.fields])) {
    const value = row[field];
    if (value === undefined || (field.startsWith('metrics.') && value === 0)) continue;
    const path = camelPath(field).split('.');
    const last = path.pop() ?? '';
    let target = result;
    for (const step of path) target = descend(target, step);
    target[last] = INT64.has(field) ? String(Math.round(Number(value))) : value;
  }
  return result;
}

function descend(target: Record<string, unknown>, step: string): Record<string, unknown> {
  const child = (target[step] ?? {}) as Record<string, unknown>;
  target[step] = child;
  return child;
}

const camelPath = (field: string) =>
  field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
