import type { Postgres } from './database.ts';
import type { Kms } from './kms.ts';

/** What a command works with. */
export interface Tools {
  postgres: Postgres;
  kms: Kms;
  /** Tells how it goes: one line of JSON, no secret in it. */
  say(line: Readonly<Record<string, unknown>>): void;
}

/** A command that could not do all of its work; the message says why, and what to do. */
export class NotDone extends Error {}
