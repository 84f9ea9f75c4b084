import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { tell } from '../../../lib/events/agent.ts';
import { readVectors } from '../../support/vectors.ts';

interface Row {
  id: string;
  desc: string;
  secret: string;
  body: string;
  headers: Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string | null>;
  /** Unix seconds. */
  now: number;
  required: 'accept' | 'reject' | 'either';
}

afterEach(() => void vi.useRealTimers());

/** What an agent with that secret would get; undefined where nothing is sent. */
async function sent(secret: string, id: string, body: string, seconds: number) {
  const requests: Request[] = [];
  const fetcher = {
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
      requests.push(new Request(input as string, init));
      return new Response(null, { status: 204 });
    },
  };
  const target = { url: 'http://127.0.0.1:1/events', secret, fetcher: fetcher as unknown as Fetcher };
  const event = { id, body: inPieces(body), replays: 0 };
  const answered = await tell(target, event, new Date(seconds * 1000 + 999), { onSent: () => undefined });
  expect(answered === 'taken').toBe(requests.length === 1);
  return requests[0];
}

/** What is signed piece by piece, and sent as a whole. */
function inPieces(text: string) {
  const whole = new TextEncoder().encode(text);
  return {
    length: whole.length,
    whole,
    async *chunks() {
      for (let at = 0; at < whole.length; at += 7) yield whole.subarray(at, at + 7);
    },
  };
}

const rows = readVectors<{ vectors: Row[] }>('standard-webhooks.json')?.vectors ?? [];
// Whoever takes them takes what we could have sent, too; the others have a header that we never write.
const written = rows.filter(
  ({ headers, secret }) =>
    headers['webhook-id'] !== null &&
    /^\d+$/.test(headers['webhook-timestamp'] ?? '') &&
    headers['webhook-signature'] !== null &&
    secret.replace('whsec_', '') !== '',
);
const late = ['lib-old', 'lib-new'];

describe.runIf(rows.length > 0)('what the agent is sent is signed as Standard Webhooks are:', () => {
  test.each(written)('$id: $desc', async (row) => {
    const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': theirs } = row.headers;
    const request = await sent(row.secret, id ?? '', row.body, Number(time));
    expect(request?.headers.get('webhook-id')).toBe(id);
    expect(request?.headers.get('webhook-timestamp')).toBe(time);
    const ours = request?.headers.get('webhook-signature') ?? '';
    const isTheirs = theirs?.split(' ').includes(ours);
    // What is refused for its age alone is rightly signed.
    if (row.required !== 'either') expect(isTheirs).toBe(row.required === 'accept' || late.includes(row.id));
  });

  test.each(written)('$id: an agent that verifies with the same secret takes ours', async (row) => {
    const { 'webhook-id': id, 'webhook-timestamp': time } = row.headers;
    const request = await sent(row.secret, id ?? '', row.body || '{}', Number(time));
    vi.useFakeTimers({ now: Number(time) * 1000, toFake: ['Date'] });
    const body = (await request?.text()) ?? '';
    const headers = Object.fromEntries(request?.headers ?? []);
    expect(new Webhook(row.secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(row.secret).verify(`${body} `, headers)).toThrow();
  });

  test.each(rows.filter(({ secret }) => /^(whsec_)?$/.test(secret)))(
    '$id: nothing is sent unsigned',
    async (row) => {
      expect(await sent(row.secret, 'msg_1', row.body, row.now)).toBeUndefined();
    },
  );
});

test('the signature covers id, time and body', async () => {
  const secret = `whsec_${Buffer.from('thirty-two bytes for a test only').toString('base64')}`;
  const signed = async (id: string, body: string, seconds: number) =>
    (await sent(secret, id, body, seconds))?.headers.get('webhook-signature');
  const one = await signed('a', '{}', 1_700_000_000);
  expect(one).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  expect(await signed('a', '{}', 1_700_000_000)).toBe(one);
  for (const other of [
    await signed('b', '{}', 1_700_000_000),
    await signed('a', '{ }', 1_700_000_000),
    await signed('a', '{}', 1_700_000_001),
  ])
    expect(other).not.toBe(one);
});
