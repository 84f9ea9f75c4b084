import { type AccountRecord, randomLetters } from './keys.ts';

/** Where and when something happened. */
export interface Moment {
  account: AccountRecord;
  livemode: boolean;
  /** In seconds since 1970. */
  created: number;
}

/** The `data` of an event (docs.stripe.com/api/events/object). */
export interface EventData {
  object: object;
  previous_attributes?: object;
}

export const DAY = 86_400;

export function newId(prefix: string, length = 24): string {
  return `${prefix}_${randomLetters(length)}`;
}
