import { type Figure, figure } from '../figures.ts';
import { HOUR, MINUTE, WEEK } from './days.ts';
import type { Tenure } from './tenures.ts';

/** From a connect to the end of what was given in it, by the provider's own rules. */
export interface Span {
  from: number;
  end: number;
}

export interface Told {
  type: string;
  at: number;
}

/** What was told of one connection, and when it should have been. */
export interface Course {
  tenure: Tenure;
  spans: Span[];
  told: Told[];
  renewals: number;
  /** They will connect again. */
  isComing: boolean;
}

/** Holds what was told up to `until` to what must have been; a firing comes every `step` milliseconds. */
export function eventFigures(courses: readonly Course[], until: number, step: number): Figure[] {
  const faults: Record<'warned' | 'short' | 'ended' | 'connected' | 'other', string[]> = {
    warned: [],
    short: [],
    ended: [],
    connected: [],
    other: [],
  };
  const counts = { warned: 0, short: 0, ended: 0, again: 0 };
  let least = Infinity;
  // The clock goes on while a firing works, and a provider's second is not ours.
  const late = 2 * step + MINUTE;

  for (const { tenure, spans, told } of courses) {
    spans.forEach(({ from, end }, nth) => {
      const next = spans[nth + 1]?.from ?? Infinity;
      const within = told.filter(({ at }) => at >= from && at < next);
      const times = (type: string) => within.filter((each) => each.type === type).map(({ at }) => at);
      const say = (kind: keyof typeof faults, times: readonly number[]) =>
        faults[kind].push(
          `${tenure.name}, ${nth + 1}: ${times.map((at) => inDays(at - end)).join(', ') || 'none'}`,
        );

      const begun = times(nth === 0 ? 'connection.connected' : 'connection.recovered');
      if (nth > 0) counts.again += 1;
      if (begun.length !== 1 || (begun[0] ?? 0) > from + MINUTE) say('connected', begun);

      const warned = times('connection.expiring');
      const isShort = end - from < WEEK;
      const mustWarn = isShort ? from + late < until : end - WEEK + MINUTE < until;
      if (isShort && mustWarn) {
        counts.short += 1;
        if (warned.length !== 1 || (warned[0] ?? Infinity) > from + late) say('short', warned);
      } else if (mustWarn) {
        counts.warned += 1;
        least = Math.min(least, end - (warned[0] ?? end));
        if (warned.length !== 1 || (warned[0] ?? Infinity) > end - WEEK) say('warned', warned);
      } else if (warned.length > (end < until + WEEK + HOUR ? 1 : 0)) say('warned', warned);

      const ended = times('connection.reauthorization_required');
      if (end + late < until) {
        counts.ended += 1;
        const [at = Infinity] = ended;
        if (ended.length !== 1 || at < end - MINUTE || at > end + late) say('ended', ended);
      } else if (ended.length > 0 && (ended[0] ?? 0) < end - MINUTE) say('ended', ended);

      const known = ['connection.expiring', 'connection.reauthorization_required'];
      const begin = nth === 0 ? 'connection.connected' : 'connection.recovered';
      for (const { type, at } of within) {
        if (!known.includes(type) && type !== begin)
          faults.other.push(`${tenure.name}: ${type} ${inDays(at - end)}`);
      }
    });
  }

  const line = (name: string, must: string, count: number, wrong: string[], more = '') =>
    figure(name, must, [`${count}${more}`, ...wrong].join('; '), wrong.length === 0);
  return [
    line(
      'warnings',
      'one, at least 7 days ahead',
      counts.warned,
      faults.warned,
      `, at least ${inDays(least)} ahead`,
    ),
    line('warnings of what lives less than 7 days', 'one, at once', counts.short, faults.short),
    line('ends', 'told once, when they come and not before', counts.ended, faults.ended),
    line('connects again', 'connection.recovered once', counts.again, faults.connected),
    line('events that nothing has happened for', '0', faults.other.length, faults.other),
  ];
}

export function inDays(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return 'never';
  const minutes = Math.round(Math.abs(milliseconds) / MINUTE);
  const sign = milliseconds < 0 ? '-' : '';
  return `${sign}${Math.floor(minutes / 1440)} d ${String(Math.floor(minutes / 60) % 24).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
