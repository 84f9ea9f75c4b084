import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client, type Reply } from '../../support/client.ts';
import { pathOf, storedOf, toldOf } from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { githubRows, shopifyRows, stripeRows } from '../../support/signature-vectors.ts';
import { openTarget, sealOther, type Target, type Teller } from '../../support/targets.ts';
import { CLOCK_SWITCH } from '../../world/clock-switch.ts';

const [{ secret: shopifySecret = '' } = {}] = shopifyRows;
const world = await openWorld({ env: { ...(shopifySecret && { SHOPIFY_CLIENT_SECRET: shopifySecret }) } });

/** A connection for each secret: a Worker knows one for a minute. */
async function targetsBySecret(
  provider: Teller,
  rows: { secret: string }[],
): Promise<(secret: string) => Target> {
  const targets = new Map<string, Target>();
  for (const secret of new Set(rows.map((row) => row.secret)))
    targets.set(secret, await sealOther(await openTarget(world, provider), secret));
  return (secret) => {
    const found = targets.get(secret);
    if (!found) throw new Error('no such secret');
    return found;
  };
}

const nobody = new Client(world, undefined);

const post = (target: Target, body: string, headers: Record<string, string>): Promise<Reply> =>
  nobody.post(pathOf(target), { raw: body, headers: { 'content-type': 'application/json', ...headers } });

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What a row of the vectors comes to over HTTP. */
const expected = (required: string, body: string) =>
  required === 'accept' ? (isJson(body) ? 200 : 400) : 401;

async function expectNothingNew(target: Target, reply: Reply, ask: () => Promise<Reply>): Promise<void> {
  const before = await storedOf(target);
  expect((await ask()).status).toBe(reply.status);
  expect(await storedOf(target)).toEqual(before);
}

describe.runIf(stripeRows.length > 0)('Stripe-Signature over HTTP:', () => {
  // Over HTTP the tolerance is ours, and a line break ends a header.
  const rows = stripeRows.filter(({ tolerance, http }) => tolerance === 300 && http === undefined);
  let targetOf: (secret: string) => Target;

  const moveTo = async (milliseconds: number) =>
    void (await fetch(`${world.url}${CLOCK_SWITCH}?shift=${milliseconds - Date.now()}`));

  beforeAll(async () => {
    targetOf = await targetsBySecret('stripe', rows);
  });
  afterAll(async () => void (await fetch(`${world.url}${CLOCK_SWITCH}?shift=0`)));

  test.each(rows)('$id: $desc', async ({ id, secret, payload, header, receivedAt, required }) => {
    const target = targetOf(secret);
    await moveTo(receivedAt * 1000);
    const reply = await post(target, payload, { 'stripe-signature': header });
    if (required === 'either') expect([200, 401]).toContain(reply.status);
    else if (id === 'lib-invalid-json-signed') expect(reply.status).toBe(400);
    else if (id === 'lib-v2-payload') expect(reply.status).toBe(200);
    else if (id === 'x-many-v1') expect([400, 401, 413, 431]).toContain(reply.status);
    else expect(reply.status, reply.text).toBe(expected(required, payload));
  });

  test('none of them is told to the agent', async () => {
    for (const secret of new Set(rows.map((row) => row.secret))) {
      const stored = await storedOf(targetOf(secret));
      expect(stored.filter(({ status }) => status !== 'kept')).toEqual([]);
      expect(toldOf(targetOf(secret))).toEqual([]);
    }
  });
});

describe.runIf(githubRows.length > 0)('X-Hub-Signature-256 over HTTP:', () => {
  const rows = githubRows.filter(({ http }) => http === undefined);
  let targetOf: (secret: string) => Target;
  beforeAll(async () => {
    targetOf = await targetsBySecret('github', rows);
  });

  test.each(rows)('$id: $desc', async ({ secret, body, signature, required }) => {
    const target = targetOf(secret);
    const headers = { 'x-github-event': 'star', 'x-github-delivery': randomUUID() };
    const ask = () => post(target, body, { ...headers, 'x-hub-signature-256': signature });
    const reply = await ask();
    expect(reply.status, reply.text).toBe(expected(required, body));
    await expectNothingNew(target, reply, ask);
  });
});

describe.runIf(shopifyRows.length > 0)('X-Shopify-Hmac-Sha256 over HTTP:', () => {
  let target: Target;
  beforeAll(async () => {
    target = await openTarget(world, 'shopify');
    const [{ headers } = { headers: {} as Record<string, string> }] = shopifyRows;
    const shop = headers['X-Shopify-Shop-Domain'];
    await world.sql('update connections set config = $2 where id = $1', [target.id, { shop }]);
  });

  test.each(shopifyRows)('$id: $desc', async ({ id, body, headers, required }) => {
    const ask = () => post(target, body, headers);
    const reply = await ask();
    // A signature that our own client once gave away is right, and signs no JSON.
    const status = id === 'wh-cookie-replay' ? 400 : expected(required, body);
    expect(reply.status, reply.text).toBe(status);
    await expectNothingNew(target, reply, ask);
    expect(await storedOf(target)).toHaveLength(1);
  });
});

test('the vectors are there, or all of this is left out', () => {
  const counts = [stripeRows, githubRows, shopifyRows].map((rows) => rows.length);
  expect([
    [0, 0, 0],
    [53, 31, 19],
  ]).toContainEqual(counts);
});
