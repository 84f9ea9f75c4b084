import { afterEach, describe, expect, test } from 'vitest';
import { Client } from '../../support/client.ts';
import { issueKey } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { readVectors } from '../../support/vectors.ts';

const world = await openWorld();
const { ada } = world;
afterEach(async () => {
  world.reset();
  await sql(world, 'delete from connections');
});

const CONNECT = '/api/connectors/connect';
const JSON_TYPE = { 'content-type': 'application/json' };
const key = issueKey(world, 'stripe').api_key;
const good = JSON.stringify({ provider: 'stripe', api_key: key });
const utf8 = new TextEncoder();

async function nothingWasDone(): Promise<void> {
  expect(world.gateway.calls).toEqual([]);
  expect(await sql(world, 'select from connections')).toEqual([]);
}

describe('a body', () => {
  test.each([
    ['application/json'],
    ['Application/JSON'],
    ['application/json; charset=utf-8'],
    ['application/json;charset="UTF-8"'],
  ])('of the type %s is read', async (type) => {
    const person = await newPerson(world);
    const reply = await person.at.post(CONNECT, { raw: good, headers: { 'content-type': type } });
    expect(reply.status, reply.text).toBe(201);
  });

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/json; charset=utf-16'],
    ['application/json; charset=iso-8859-1'],
    ['application/jsonp'],
    ['application/json, text/plain'],
    ['text/json'],
    ['application/merge-patch+json'],
    ['application/json; boundary=x'],
    [''],
  ])('of another type is a 415: %s', async (type) => {
    const reply = await ada.post(CONNECT, { raw: good, headers: { 'content-type': type } });
    expect([reply.status, reply.body.code]).toEqual([415, 'unsupported_media_type']);
    await nothingWasDone();
  });

  test('of no type is a 415', async () => {
    const reply = await ada.post(CONNECT, { raw: Uint8Array.from(utf8.encode(good)) });
    expect([reply.status, reply.body.code]).toEqual([415, 'unsupported_media_type']);
    await nothingWasDone();
  });

  test.each(['gzip', 'deflate', 'br', 'identity', 'GZIP, identity'])(
    'with the Content-Encoding %s is a 415',
    async (encoding) => {
      const headers = { ...JSON_TYPE, 'content-encoding': encoding };
      const reply = await ada.post(CONNECT, { raw: good, headers });
      expect([reply.status, reply.body.code]).toEqual([415, 'unsupported_media_type']);
      await nothingWasDone();
    },
  );

  const padded = (bytes: number) => good.padEnd(bytes, ' ');
  test.each([
    ['64 KiB, and is read', 65_536, 201],
    ['64 KiB and one byte, which is a 413', 65_537, 413],
    ['ten megabytes, which is a 413', 10_000_000, 413],
  ])('may hold 64 KiB: it holds %s', async (_, bytes, status) => {
    for (const chunked of [false, true]) {
      const person = await newPerson(world);
      const reply = await send(padded(bytes), chunked, `Bearer ${person.token}`);
      expect(reply.status, chunked ? 'chunked' : 'with a length').toBe(status);
      if (status === 413) {
        expect(JSON.parse(reply.text).code).toBe('payload_too_large');
        await nothingWasDone();
      }
      await sql(world, 'delete from connections');
    }
  });

  test('of 64 KiB is counted in bytes, not in letters', async () => {
    const body = JSON.stringify({ provider: 'stripe', api_key: key, config: { x: '€'.repeat(22_000) } });
    expect(body.length).toBeLessThan(65_536);
    expect((await ada.post(CONNECT, { raw: body, headers: JSON_TYPE })).status).toBe(413);
    await nothingWasDone();
  });
});

describe('JSON', () => {
  const member = (text: string) => `{"provider":"stripe","api_key":${JSON.stringify(key)},${text}}`;
  const bytes = (...parts: (string | number[])[]) =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...utf8.encode(part)] : part)));
  test.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['that is empty', ''],
    ['that is blank', '  \n'],
    ['that is no JSON', 'provider=stripe'],
    ['that is cut off', good.slice(0, -1)],
    ['with something behind it', `${good} {}`],
    ['with a comma too many', good.replace('}', ',}')],
    ['with a comment', `${good}// hello`],
    ['with single quotes', good.replaceAll('"', "'")],
    ['twice', good + good],
    ['that is a list', `[${good}]`],
    ['that is a text', '"stripe"'],
    ['that is a number', '1'],
    ['that is true', 'true'],
    ['that is null', 'null'],
    ['with a key twice', member('"provider":"zendesk"')],
    ['with a key twice, once escaped', member('"\\u0070rovider":"zendesk"')],
    ['with a key twice, further down', member('"config":{"a":"1","a":"2"}')],
    ['with __proto__', member('"__proto__":{"replace":true}')],
    ['with __proto__, escaped', member('"\\u005f_proto__":{"replace":true}')],
    ['with constructor', member('"constructor":{"prototype":{"x":1}}')],
    ['with prototype', member('"prototype":{}')],
    ['with toString', member('"toString":"x"')],
    ['with __proto__ in config', member('"config":{"__proto__":{"x":1}}')],
    ['with __proto__ twice in config', member('"config":{"__proto__":1,"__proto__":2}')],
    ['with constructor in config', member('"config":{"constructor":{"prototype":{"x":1}}}')],
    ['with a member we do not know', member('"admin":true')],
    ['with a member of another spelling', good.replace('api_key', 'apiKey')],
    ['with a lone surrogate as member', member('"\\ud800":1')],
    ['with NUL as member', member('"\\u0000":1')],
    ['with a hundred members', member(Array.from({ length: 100 }, (_, n) => `"m${n}":${n}`).join())],
    ['of lists a hundred deep', member(`"config":${'['.repeat(100)}${']'.repeat(100)}`)],
    ['of lists thirty thousand deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['of objects ten thousand deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['of objects in config, deep', member(`"config":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`)],
    ['that is open without end', '['.repeat(60_000)],
    ['with a byte order mark', bytes([0xef, 0xbb, 0xbf], good)],
    ['that is no UTF-8', bytes('{"provider":"', [0xff, 0xfe], '"}')],
    ['with an overlong slash', bytes('{"provider":"', [0xc0, 0xaf], '"}')],
    ['with a surrogate in UTF-8', bytes('{"provider":"', [0xed, 0xa0, 0x80], '"}')],
    ['cut inside a letter', bytes('{"provider":"', [0xe2, 0x82])],
    ['in UTF-16', Uint8Array.from([...good].flatMap((letter) => [letter.charCodeAt(0), 0]))],
    ['with a NUL byte', bytes(good, [0])],
    ['with a line break in a text', bytes('{"provider":"a', [10], '"}')],
    ['with a number past all bounds', member('"replace":1e999')],
  ])('%s is a 400, and nothing is done', async (_, raw) => {
    const reply = await ada.post(CONNECT, { raw, headers: JSON_TYPE });
    expect([reply.status, reply.body.code], reply.text).toEqual([400, 'invalid_request']);
    expect(reply.text.length, 'no echo of what was sent').toBeLessThan(20_000);
    expect(reply.text).not.toContain(key);
    await nothingWasDone();
  });

  test('with a large number is read as it is, and refused where no number belongs', async () => {
    const reply = await ada.post(CONNECT, { raw: member('"replace":9007199254740993'), headers: JSON_TYPE });
    expect(reply.body.errors[0].path).toBe('replace');
  });

  test('of nobody is a 401 before it is read', async () => {
    const nobody = new Client(world, undefined);
    const expired = new Client(world, 'session-nobody-has-it');
    for (const client of [nobody, expired])
      for (const [raw, headers] of [
        [good, JSON_TYPE],
        ['{', JSON_TYPE],
        ['', JSON_TYPE],
        ['[]', JSON_TYPE],
        ['{"__proto__":1}', JSON_TYPE],
        [good, { 'content-type': 'text/plain' }],
        [good, { ...JSON_TYPE, 'content-encoding': 'gzip' }],
        [good, { ...JSON_TYPE, 'x-brand-id': 'north' }],
        ['x'.repeat(70_000), JSON_TYPE],
        ['{"provider":"nobody","api_key":"x"}', JSON_TYPE],
        ['{"provider":"github","api_key":"x"}', JSON_TYPE],
        ['{"provider":"stripe","api_key":"pk_test_x"}', JSON_TYPE],
      ] as const) {
        const reply = await client.post(CONNECT, { raw, headers });
        expect([reply.status, reply.body.code], raw.slice(0, 60)).toEqual([401, 'unauthenticated']);
      }
    await nothingWasDone();
  });
});

describe('a message that somebody else thought of', () => {
  const corners = readVectors<{ tests: { name: string; base64: string }[] }>('json-parsing.json');
  test.runIf(corners)('is never accepted, and never breaks us: JSONTestSuite', async () => {
    const rows = (corners?.tests ?? []).filter(({ base64 }) => base64 !== undefined);
    expect(rows.length).toBeGreaterThan(300);
    await inBatches(rows, async ({ name, base64 }) => {
      const raw = Uint8Array.from(Buffer.from(base64, 'base64'));
      for (const body of name.includes('structure') ? [raw, wrapped(raw)] : [wrapped(raw)]) {
        const reply = await ada.post(CONNECT, { raw: body, headers: JSON_TYPE });
        expect([400, 413], `${name}: ${reply.text}`).toContain(reply.status);
      }
    });
    await nothingWasDone();
  });

  const pollution = readVectors<{ tests: { body: string }[] }>('prototype-pollution.json');
  test.runIf(pollution)('is never accepted, and pollutes nothing: secure-json-parse', async () => {
    for (const { body } of pollution?.tests ?? []) {
      const asConfig = `{"provider":"stripe","api_key":"${key}","config":${body}}`;
      for (const raw of [body, asConfig]) {
        const reply = await ada.post(CONNECT, { raw, headers: JSON_TYPE });
        expect(reply.status, `${raw}: ${reply.text}`).toBe(400);
      }
    }
    await nothingWasDone();
    const after = await ada.get('/api/connectors/list');
    expect(after.body).toEqual({ connections: [] });
  });

  const strings = readVectors<string[] | { strings: string[] }>('naughty-strings.json');
  test.runIf(strings)('is refused wherever it stands: naughty strings', async () => {
    const list = Array.isArray(strings) ? strings : (strings?.strings ?? []);
    expect(list.length).toBeGreaterThan(100);
    await inBatches(list, async (text) => {
      const config = { subdomain: 'acme', [text]: text, email: text };
      const asConfig = { provider: 'zendesk', api_key: 'a'.repeat(40), config };
      for (const body of [asConfig, { provider: 'stripe', api_key: text }]) {
        const reply = await ada.post(CONNECT, { body });
        expect([400, 422], `${JSON.stringify(body)}: ${reply.text}`).toContain(reply.status);
      }
    });
    await nothingWasDone();
  });
});

/** The bytes as the config of a provider that needs some. */
function wrapped(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...utf8.encode(`{"provider":"zendesk","api_key":"${'a'.repeat(40)}","config":`),
    ...raw,
    ...utf8.encode('}'),
  ]);
}

async function inBatches<T>(rows: readonly T[], go: (row: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < rows.length; at += 50) await Promise.all(rows.slice(at, at + 50).map(go));
}

async function send(body: string, chunked: boolean, authorization: string) {
  const stream = new ReadableStream({
    start(controller) {
      const all = utf8.encode(body);
      for (let at = 0; at < all.length; at += 10_000) controller.enqueue(all.subarray(at, at + 10_000));
      controller.close();
    },
  });
  const response = await fetch(`${world.url}${CONNECT}`, {
    method: 'POST',
    headers: { ...JSON_TYPE, authorization },
    ...(chunked ? { body: stream, duplex: 'half' } : { body }),
  } as RequestInit);
  return { status: response.status, text: await response.text() };
}
