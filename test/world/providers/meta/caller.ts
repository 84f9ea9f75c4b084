import { createHmac } from 'node:crypto';
import type { Context } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';
import { GraphError } from './errors.ts';
import { type Book, ENDINGS, type TokenRecord } from './records.ts';

/** Who calls: a person through a token, or the app itself by its id and secret. */
export type Caller = TokenRecord | 'app';

interface Problem {
  code: 190;
  message: string;
  subcode?: number;
}

const UNREADABLE: Problem = {
  code: 190,
  message: 'Invalid OAuth access token - Cannot parse access token',
};

/** Why the API takes no such token; undefined for a living one. */
export function tokenProblem(record: TokenRecord | undefined, now: number): Problem | undefined {
  if (!record) return UNREADABLE;
  const say = (subcode: number, why: string): Problem => ({
    code: 190,
    subcode,
    message: `Error validating access token: ${why}`,
  });
  if (record.ended !== null) return say(record.ended, ENDINGS[record.ended].replace('{app}', record.app));
  if (record.expiresAt === null || now < record.expiresAt) return undefined;
  const [then, current] = [record.expiresAt, now].map((time) => new Date(time).toUTCString());
  return say(463, `Session has expired on ${then}. The current time is ${current}.`);
}

/** The token if it lives; statuses for what cannot be read, and for what has died. */
export function living(
  record: TokenRecord | undefined,
  now: number,
  { unreadable = 400, dead = 400 } = {},
): TokenRecord {
  if (!record) throw new GraphError({ ...UNREADABLE, status: unreadable });
  const problem = tokenProblem(record, now);
  if (problem) throw new GraphError({ ...problem, status: dead });
  return record;
}

/**
 * Reads the token of `access_token` in the query, failing that of the Authorization header. `settings.deadTokenStatus`
 * is the status for a token that has died: 400 unless it says 401, as both are seen.
 */
export function callerOf(c: Context, { store, client, now }: SimulatorContext, book: Book): Caller {
  const token =
    c.req.query('access_token') ?? /^Bearer (\S+)$/.exec(c.req.header('authorization') ?? '')?.[1];
  if (!token) {
    const isMe = /^\/v[\d.]+\/me(\/|$)/.test(c.req.path);
    throw isMe
      ? noPerson()
      : new GraphError({ code: 104, message: 'An access token is required to request this resource.' });
  }
  if (token.includes('|')) {
    if (token === `${client.id}|${client.secret}`) return 'app';
    throw new GraphError({ code: 190, message: 'Invalid OAuth access token signature.' });
  }
  const dead = store.get<number>('settings.deadTokenStatus') ?? 400;
  const record = living(book.token(token), now(), { unreadable: 401, dead });
  checkProof(c.req.query('appsecret_proof'), record);
  return record;

  /** docs/graph-api/securing-requests; the proof is made with the secret of the token's own app. */
  function checkProof(proof: string | undefined, { token, app }: TokenRecord) {
    if (proof === undefined) {
      if (app !== client.id || !store.get<boolean>('settings.requireProof')) return;
      const message = 'API calls from the server require an appsecret_proof argument';
      throw new GraphError({ code: 100, message, type: 'GraphMethodException' });
    }
    const expected = createHmac('sha256', client.secret).update(token).digest('hex');
    if (app === client.id && proof === expected) return;
    const message = 'Invalid appsecret_proof provided in the API argument';
    throw new GraphError({ code: 100, message, type: 'GraphMethodException' });
  }
}

export function noPerson(): GraphError {
  const message = 'An active access token must be used to query information about the current user.';
  return new GraphError({ code: 2500, message });
}
