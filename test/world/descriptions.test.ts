import { describe, expect, test } from 'vitest';
import { type Example, examples } from './descriptions/examples.ts';
import { startRecord } from './descriptions/record.ts';
import { sources } from './descriptions/sources.ts';
import { openDescriptions } from './descriptions.ts';
import { startGateway } from './gateway.ts';
import type { Simulator } from './simulator.ts';

const descriptions = openDescriptions(process.env.SPECS_DIR);

const urlOf = (provider: string, line: string) => new URL(line.replace(/^\w+ /, ''), examples[provider]?.at);

async function check(provider: string, [line, headers = {}, type, body]: Example) {
  const request = new Request(urlOf(provider, line), {
    method: line.replace(/ .*/, ''),
    headers: { Authorization: 'Bearer t', ...headers, ...(type !== undefined && { 'Content-Type': type }) },
  });
  const text = typeof body === 'object' ? JSON.stringify(body) : String(body ?? '');
  return descriptions?.check(provider, request, text);
}

const cases = Object.entries(examples);

describe.skipIf(!descriptions)('the descriptions of the providers', () => {
  test('each that is described has examples', () => {
    expect(Object.keys(examples).sort()).toEqual(Object.keys(sources).sort());
  });

  const fit = cases.flatMap(([provider, { fit: all }]) =>
    all.map((example) => ({ provider, line: example[0], example })),
  );
  test.each(fit)('$provider takes $line', async ({ provider, example }) => {
    expect(await check(provider, example)).toBe('fits');
  });

  const unfit = cases.flatMap(([provider, { unfit: all }]) =>
    all.map(([violation, ...example]) => ({ provider, violation, line: example[0], example })),
  );
  test.each(unfit)('$provider: $line, $violation', async ({ provider, violation, example }) => {
    expect(await check(provider, example)).toEqual({ violations: [violation] });
  });

  const elsewhere = cases.flatMap(([provider, { unknown, beside }]) => [
    ...unknown.map((line) => ({ provider, line, isOfTheApi: true })),
    ...beside.map((line) => ({ provider, line, isOfTheApi: false })),
  ]);
  test.each(elsewhere)('$provider does not describe $line', async ({ provider, line, isOfTheApi }) => {
    expect(await check(provider, [line])).toBe('not described');
    expect(await descriptions?.covers(provider, urlOf(provider, line))).toBe(isOfTheApi);
  });

  test('what only an old description refuses is a doubt and no violation', async () => {
    const before = descriptions?.doubts.length;
    expect(await check('stripe', ['GET /v1/invoices?customer_account=x'])).toBe('fits');
    expect(descriptions?.doubts.slice(before)).toEqual([
      'stripe GET /v1/invoices: query: must NOT have additional properties but has customer_account',
    ]);
  });

  test('no violation quotes what a request holds', async () => {
    const secret = 'not-to-be-seen';
    const json = 'application/json';
    const graphql = (body: unknown) =>
      check('shopify', ['POST /admin/api/2026-10/graphql.json', {}, json, body]);
    const said = await Promise.all([
      graphql({ query: `{ order(id: "1") { id(of: """${secret}""") } }` }),
      graphql({ query: `{ orders(first: "${secret}") { nodes { id } } }` }),
      graphql({ query: `{ "${secret}" }` }),
      graphql({ query: 'query ($n: Int) { orders(first: $n) { nodes { id } } }', variables: { n: secret } }),
      graphql(`{"query": ${secret}}`),
      check('klaviyo', ['GET /api/accounts', { revision: secret }]),
      check('stripe', [`GET /v1/charges?limit=${secret}`]),
      check('github', [`GET /app/installations/${secret}`]),
      check('github', ['POST /credentials/revoke', {}, json, { credentials: secret }]),
      check('github', ['POST /credentials/revoke', {}, json, `{"credentials": ${secret}}`]),
    ]);
    for (const verdict of said) expect(verdict).toEqual({ violations: [expect.any(String)] });
    expect(JSON.stringify(said)).not.toContain(secret);
  });
});

describe.skipIf(!descriptions)('the record of a gateway', () => {
  test('counts what fits, and keeps what does not and what is not described', async () => {
    const record = startRecord(descriptions);
    for (const path of ['user', 'user?x=1', 'me'])
      await record.note('github', new Request(`https://api.github.com/${path}`));
    await record.note('gorgias', new Request('https://acme.gorgias.com/api/account'));
    expect(record).toMatchObject({
      counts: { checked: 3, fits: 1, notDescribed: 1 },
      fitting: { github: 1 },
      violations: [{ provider: 'github', method: 'GET', path: '/user', violations: [expect.any(String)] }],
      notDescribed: [
        { provider: 'github', method: 'GET', host: 'api.github.com', path: '/me', isOfTheApi: true },
      ],
    });
  });

  test('leaves the body for the provider to read', async () => {
    const record = startRecord(descriptions);
    const body = '{"credentials":["t"]}';
    const request = new Request('https://api.github.com/credentials/revoke', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    await record.note('github', request);
    expect(record.counts).toEqual({ checked: 1, fits: 1, notDescribed: 0 });
    expect(await request.text()).toBe(body);
  });
});

test.skipIf(!descriptions)(
  'a gateway records every call it is asked for, and a reset forgets none',
  async () => {
    const github: Simulator = {
      provider: 'github',
      host: (hostname) => hostname === 'api.github.com',
      fetch: () => new Response('{}'),
    };
    const gateway = await startGateway([github], descriptions);
    gateway.misbehave({ provider: 'github', match: 'rate_limit', drop: 'before' });
    await fetch(`${gateway.url}/api.github.com/user?x=1`);
    await expect(fetch(`${gateway.url}/api.github.com/rate_limit?x=1`)).rejects.toThrow();
    gateway.reset();
    await gateway.close();
    expect(gateway.described.violations.map(({ path }) => path)).toEqual(['/user', '/rate_limit']);
  },
);

test('a check that cannot be made is a violation', async () => {
  const record = startRecord(openDescriptions('/there/is/no/such/directory'));
  await record.note('github', new Request('https://api.github.com/user'));
  expect(record.violations).toMatchObject([{ violations: [expect.stringMatching(/^there was no check/)] }]);
});

test('without descriptions nothing is checked', async () => {
  expect(openDescriptions(undefined)).toBeUndefined();
  const record = startRecord(undefined);
  await record.note('github', new Request('https://api.github.com/nothing'));
  expect(record.counts).toEqual({ checked: 0, fits: 0, notDescribed: 0 });
});
