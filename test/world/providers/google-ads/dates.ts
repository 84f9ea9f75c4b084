import { type Condition, QueryProblem } from './gaql.ts';

const DAY = 86_400_000;

export interface DateRange {
  from: string;
  to: string;
  /** A query without a filter on the date is about all time, of which there are thirty days here. */
  isFiltered: boolean;
}

/** The days a query is about: the conditions on `segments.date` together (docs/query/date-ranges). */
export function dateRange(conditions: readonly Condition[], now: number): DateRange {
  const day = (back: number) => new Date(now - back * DAY).toISOString().slice(0, 10);
  const today = day(0);
  let [from, to] = [day(29), today];
  let isOpen = { from: true, to: true };
  const narrow = (start: string | null, end: string | null) => {
    if (start !== null) from = isOpen.from || start > from ? start : from;
    if (end !== null) to = isOpen.to || end < to ? end : to;
    isOpen = { from: isOpen.from && start === null, to: isOpen.to && end === null };
  };

  const dated = conditions.filter(({ field }) => field === 'segments.date');
  for (const { operator, values } of dated) {
    const [first = '', last = ''] = values;
    if (operator === 'DURING') narrow(...literal(first.toUpperCase(), day, today));
    else {
      for (const value of values) checkDate(value);
      if (operator === 'BETWEEN') narrow(first, last);
      else if (operator === '=') narrow(first, first);
      else if (operator === '>=') narrow(first, null);
      else if (operator === '<=') narrow(null, first);
      else if (operator === '>') narrow(shift(first, 1), null);
      else if (operator === '<') narrow(null, shift(first, -1));
      else throw new QueryProblem('OPERATOR_FIELD_MISMATCH', `Error in query: ${operator} is not for dates.`);
    }
  }
  if (from > to) {
    throw new QueryProblem('DATE_RANGE_TOO_NARROW', 'Error in query: the start date is after the end date.');
  }
  return { from, to, isFiltered: dated.length > 0 && !isOpen.from && !isOpen.to };
}

export function daysOf({ from, to }: DateRange): string[] {
  const days: string[] = [];
  for (let day = from; day <= to; day = shift(day, 1)) days.push(day);
  return days;
}

function literal(name: string, day: (back: number) => string, today: string): [string, string] {
  const [, count] = /^LAST_(7|14|30)_DAYS$/.exec(name) ?? [];
  if (count !== undefined) return [day(Number(count)), day(1)];
  if (name === 'TODAY') return [today, today];
  if (name === 'YESTERDAY') return [day(1), day(1)];
  if (name === 'THIS_MONTH') return [`${today.slice(0, 8)}01`, today];
  if (name === 'LAST_MONTH') {
    const end = shift(`${today.slice(0, 8)}01`, -1);
    return [`${end.slice(0, 8)}01`, end];
  }
  const message = `Error in query: ${name} is no date range of this simulator.`;
  throw new QueryProblem('INVALID_VALUE_WITH_DURING_OPERATOR', message);
}

function checkDate(value: string): void {
  const time = Date.parse(`${value}T00:00:00Z`);
  const isDate = !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === value;
  if (!isDate)
    throw new QueryProblem('INVALID_DATE_FORMAT', `Error in query: ${value} is no YYYY-MM-DD date.`);
}

function shift(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}
