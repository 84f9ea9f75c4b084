import { type ClientRequest, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Body,
  type Delivery,
  headersOf,
  idsOf,
  pathOf,
  send,
  settledOf,
  something,
  toldOf,
} from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import { openTarget, type Target, tellers } from '../../support/targets.ts';
import { until } from '../../support/trips.ts';

const world = await openWorld();

/** Sends a body in pieces, and never tells its length. */
function sendInPieces(target: Target, delivery: Delivery, size = 65_536): Promise<number | undefined> {
  const bytes = Buffer.from(delivery.body);
  return new Promise((resolve, reject) => {
    const sent = open(target, delivery, {}, resolve).on('error', reject);
    let at = 0;
    const write = () => {
      while (at < bytes.length) {
        const isTaken = sent.write(bytes.subarray(at, at + size));
        at += size;
        if (!isTaken) return void sent.once('drain', write);
      }
      sent.end();
    };
    write();
  });
}

/** Tells the length of a body, and sends but its beginning. */
function sendBeginning(target: Target, delivery: Delivery): Promise<number | undefined> {
  const bytes = Buffer.from(delivery.body);
  return new Promise((resolve, reject) => {
    const told = { 'content-length': String(bytes.length) };
    const sent = open(target, delivery, told, (status) => {
      resolve(status);
      sent.destroy();
    }).on('error', reject);
    sent.write(bytes.subarray(0, 1_000));
  });
}

function open(
  target: Target,
  delivery: Delivery,
  more: Record<string, string>,
  answered: (status: number | undefined) => void,
): ClientRequest {
  const headers = { ...headersOf(target, delivery), ...more };
  return request(`${world.url}${pathOf(target)}`, { method: 'POST', headers }, (answer) => {
    answer.resume();
    answered(answer.statusCode);
  });
}

/** Something that the agent is told of, of that many bytes. */
function sized(target: Target, bytes: number): Delivery {
  const delivery = something(target);
  const text = String(delivery.body);
  const filler = 'x'.repeat(bytes - Buffer.byteLength(text) - ',"filler":""'.length);
  return { ...delivery, body: `${text.slice(0, -1)},"filler":"${filler}"}` };
}

const bytesOf = (...parts: (string | number[])[]): Body =>
  Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part as string))));

const notJson: [string, Body][] = [
  ['prose', 'hello'],
  ['an end that is missing', '{"a":1'],
  ['something behind it', '{"a":1} {}'],
  ['single quotes', "{'a':1}"],
  ['a form', 'payload=%7B%22a%22%3A1%7D'],
  ['a byte order mark', '\ufeff{"a":1}'],
  ['a NUL in a text', '{"a":"\0"}'],
  ['NaN', '{"a":NaN}'],
  ['bytes that are no UTF-8', bytesOf('{"a":"', [0xc3, 0x28], '"}')],
  ['half a surrogate pair, as UTF-8 has none', bytesOf('{"a":"', [0xed, 0xa0, 0x80], '"}')],
  ['UTF-16', Uint8Array.from(Buffer.from('{"a":1}', 'utf16le'))],
];

/** Rightly signed, of what the agent is told, with a text that no database takes. */
const untakable: [string, Partial<Delivery>][] = [
  [
    'a NUL in what it is about',
    {
      body: '{"id":1,"title":"Tea","admin_graphql_api_id":"gid://shopify/Product/\\u0000","updated_at":"2026-10-01T00:00:00Z"}',
    },
  ],
  [
    'a NUL in an order',
    { event: 'orders/create', body: '{"id":1,"line_items":[],"admin_graphql_api_id":"a\\u0000b"}' },
  ],
  ['a year before all', { headers: { 'x-shopify-triggered-at': '0000-01-01T00:00:00Z' } }],
  ['a year after all', { headers: { 'x-shopify-triggered-at': '9999-12-31T23:59:59-12:00' } }],
];

test.each(untakable)('Shopify: %s is stored and told all the same', async (_, more) => {
  const target = await openTarget(world, 'shopify');
  const delivery = something(target, more);
  const reply = await send(target, delivery);
  expect(reply.status, reply.text).toBe(200);
  expect(await settledOf(target)).toMatchObject([{ data: delivery.body, status: 'delivered' }]);
});

/** JSON that no provider sends; what is told is for nobody. */
const odd: [string, string][] = [
  ['null', 'null'],
  ['a list', '[]'],
  ['a number', '1e999'],
  ['a text', '"text"'],
  [
    'members that are not what they should be',
    '{"id":[],"type":{},"livemode":"yes","action":1,"repository":[],"sender":0}',
  ],
  ['names of the prototype', '{"__proto__":{"type":"invoice.created"},"constructor":{"prototype":{}}}'],
  ['names that come twice', '{"id":"evt_1","type":"a","type":"b","id":"evt_2"}'],
  ['lone surrogates', '{"id":"evt_\\ud800","type":"\\udfff","action":"\\ud800"}'],
  ['a NUL that is written out', '{"id":"evt_\\u0000","type":"a\\u0000b","action":"a\\u0000b"}'],
  ['great depth', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ['great depth in a member', `{"a":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
];

describe.each(tellers)('%s:', (provider) => {
  const most = { stripe: 1_000_000, shopify: 10_000_000, github: 25 * 1024 * 1024 }[provider];
  let target: Target;
  beforeAll(async () => {
    target = await openTarget(world, provider);
  });

  test.each(notJson)('a body that is rightly signed but no JSON is not taken: %s', async (_, body) => {
    const before = await idsOf(target);
    const reply = await send(target, something(target, { body }));
    expect(reply.status, reply.text).toBe(400);
    expect(reply.body.code).toBe('invalid_request');
    expect(await idsOf(target)).toEqual(before);
  });

  test.each(odd)(
    'JSON that is nothing that is ever sent is refused, or stored and told to nobody: %s',
    async (_, body) => {
      // A topic that nobody is told of, where the body does not say what it is.
      const event = provider === 'shopify' ? 'carts/update' : 'push';
      const reply = await send(target, something(target, { body, event }));
      expect([200, 400, 401], reply.text).toContain(reply.status);
      const stored = await settledOf(target);
      const kept = stored.filter(({ data }) => data === body).map(({ status }) => status);
      expect(kept, 'acknowledged and stored').toEqual(reply.status === 200 ? ['kept'] : []);
    },
  );

  test('a body that is empty is refused, though it is signed', async () => {
    expect((await send(target, something(target, { body: '' }))).status).toBe(401);
  });

  test('a body that is compressed is refused, whichever form is signed', async () => {
    const before = await idsOf(target);
    const delivery = something(target);
    const zipped = Uint8Array.from(gzipSync(delivery.body));
    const encoding = { 'content-encoding': 'gzip' };
    const plainly = { ...headersOf(target, delivery), ...encoding };
    expect((await send(target, { ...delivery, body: zipped, headers: plainly })).status).toBe(401);
    const reply = await send(target, { ...delivery, body: zipped, headers: encoding });
    expect([400, 401], reply.text).toContain(reply.status);
    expect(await idsOf(target)).toEqual(before);
  });

  test('a body in chunks is taken as it came', async () => {
    const delivery = sized(target, 20_000);
    expect(await sendInPieces(target, delivery, 77)).toBe(200);
    expect((await settledOf(target)).at(-1)).toMatchObject({ data: delivery.body, status: 'delivered' });
  });

  test('another content type changes nothing: who signs it knows what it is', async () => {
    const before = await idsOf(target);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', null]) {
      const headers = { 'content-type': type };
      expect((await send(target, something(target, { headers }))).status).toBe(200);
    }
    expect(await idsOf(target)).toHaveLength(before.length + 3);
  });

  test('what is signed and too large is refused, whether its length is told or not', async () => {
    const before = await idsOf(target);
    const delivery = sized(target, most + 1);
    expect(await sendBeginning(target, delivery)).toBe(413);
    expect(await sendInPieces(target, delivery)).toBe(413);
    expect(await idsOf(target)).toEqual(before);
  });

  test('what is as large as it may be reaches the agent', async () => {
    const delivery = sized(target, most);
    const reply = await send(target, delivery);
    expect(reply.status, reply.text).toBe(200);
    const row = await until(async () =>
      (await settledOf(target)).find(({ data }) => data.length === String(delivery.body).length),
    );
    expect(row.status).toBe('delivered');
    expect(row.data === delivery.body).toBe(true);
    const told = toldOf(target).find(({ id }) => id === row.id);
    expect(JSON.stringify(told?.body.data) === delivery.body).toBe(true);
    // Who looks for leaks reads every row that a test leaves.
    await sql(world, 'delete from payloads where id = (select payload_id from events where id = $1)', [
      row.id,
    ]);
  });
});
