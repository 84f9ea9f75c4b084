import { describe, expect, test } from 'vitest';
import {
  type Delivery,
  headersOf,
  idsOf,
  pathOf,
  send,
  signatureHeader,
  something,
} from '../../support/deliveries.ts';
import { openWorld } from '../../support/open-world.ts';
import { openTarget, openTargets, type Target, tellers } from '../../support/targets.ts';
import { tripsOf } from '../../support/trips.ts';

const world = await openWorld();
const targets = await openTargets(world);
const others = { stripe: await openTarget(world, 'stripe'), github: await openTarget(world, 'github') };

const signatureOf = (target: Target, delivery: Delivery) =>
  headersOf(target, delivery)[signatureHeader[target.provider]] ?? '';

/** A delivery whose signature is written in another way. */
function rewritten(target: Target, write: (signature: string) => string | null): Delivery {
  const delivery = something(target);
  return {
    ...delivery,
    headers: { [signatureHeader[target.provider]]: write(signatureOf(target, delivery)) },
  };
}

/** It is refused for its signature, and nothing comes of it. */
async function expectRefused(target: Target, delivery: Delivery): Promise<void> {
  const before = await idsOf(target);
  const reply = await send(target, delivery);
  expect(reply.status, reply.text).toBe(401);
  expect(reply.body.code).toBe('invalid_signature');
  expect(await idsOf(target)).toEqual(before);
}

/** What is behind `t=…,v1=` and `sha256=`. */
const digest = /[^=,]+=?$/;

const bent: [string, (signature: string) => string | null][] = [
  ['no signature', () => null],
  ['an empty one', () => ''],
  ['a word', () => 'foo'],
  ['prose', () => 'I’m not a signature'.replace('’', "'")],
  ['the last byte cut off', (text) => text.slice(0, -2)],
  ['half of it', (text) => text.slice(0, text.length / 2)],
  ['a byte too many', (text) => `${text}00`],
  ['a digest of nothing', (text) => text.replace(digest, '')],
  ['a digest of zeros', (text) => text.replace(digest, (found) => found.replaceAll(/[^=]/g, '0'))],
  ['a digest in upper case', (text) => text.replace(digest, (found) => found.toUpperCase())],
  [
    'a digest that begins otherwise',
    (text) => text.replace(digest, (found) => (found[0] === 'a' ? 'b' : 'a') + found.slice(1)),
  ],
  ['a digest in quotes', (text) => text.replace(digest, '"$&"')],
  ['a digest with junk between', (text) => text.replace(digest, (found) => [...found].join('-'))],
  [
    'another prefix',
    (text) => (text.includes('v1=') ? text.replace('v1=', 'v0=') : `sha1=${text.replace('sha256=', '')}`),
  ],
  [
    'the prefix twice',
    (text) => (text.includes('v1=') ? text.replace('v1=', 'v1=v1=') : `sha256=sha256=${text}`),
  ],
  ['the same thing twice', (text) => `${text},${text}`],
  ['the same thing twice, as two headers come', (text) => `${text}, ${text}`],
  ['more than any sender writes', (text) => `${text},${'v1=00,'.repeat(400)}`],
];

describe.each(tellers)('%s: a delivery is refused with', (provider) => {
  test.each(bent)('%s', async (_, write) => {
    await expectRefused(targets[provider], rewritten(targets[provider], write));
  });

  test('a signature by no secret', async () => {
    await expectRefused(targets[provider], something(targets[provider], { secret: '' }));
  });

  test('a signature by another secret, and by its own with a space', async () => {
    const target = targets[provider];
    await expectRefused(target, something(target, { secret: 'another' }));
    await expectRefused(target, something(target, { secret: `${target.secret} ` }));
  });

  test('a body that is not what was signed, be it by one byte', async () => {
    const target = targets[provider];
    const delivery = something(target);
    const headers = { [signatureHeader[provider]]: signatureOf(target, delivery) };
    const text = String(delivery.body);
    const changed = Uint8Array.from(Buffer.from(text));
    changed[10] = (changed[10] ?? 0) ^ 1;
    for (const body of [
      changed,
      `${text}\n`,
      ` ${text}`,
      `\ufeff${text}`,
      text.replace(':', ': '),
      `${text}\0`,
    ])
      await expectRefused(target, { ...delivery, headers, body });
  });

  test('the signature of another body', async () => {
    const target = targets[provider];
    const headers = { [signatureHeader[provider]]: signatureOf(target, something(target)) };
    await expectRefused(target, something(target, { headers }));
  });

  test('no signature, and costs nothing', async () => {
    const target = targets[provider];
    for (const write of [() => null, () => 'foo']) {
      const { reply, trips } = await tripsOf(world, () => send(target, rewritten(target, write)));
      expect(reply.status).toBe(401);
      expect(trips).toEqual({ postgres: 0, kms: 0, kv: 0, provider: 0 });
    }
  });
});

test.each(['stripe', 'github'] as const)(
  '%s: another connection’s secret is none of this one’s',
  async (provider) => {
    const [mine, theirs] = [targets[provider], others[provider]];
    expect((await send(theirs, something(theirs))).status).toBe(200);
    expect((await send(mine, something(mine))).status).toBe(200);
    await expectRefused(mine, something(mine, { secret: theirs.secret }));
    await expectRefused(theirs, something(theirs, { secret: mine.secret }));
    const before = await idsOf(mine);
    expect((await send(theirs, something(theirs), pathOf(mine))).status).toBe(401);
    expect(await idsOf(mine)).toEqual(before);
  },
);

describe('Stripe signs the time:', () => {
  const target = targets.stripe;

  test.each([-310, -3_600, -86_400, 310, 86_400, 315_360_000])(
    '%i seconds from now are refused',
    async (ahead) => {
      await expectRefused(target, something(target, { ahead }));
    },
  );

  test.each([-290, 0, 290])('%i seconds from now are taken', async (ahead) => {
    expect((await send(target, something(target, { ahead }))).status).toBe(200);
  });

  test('a time that was put in the place of the one that is signed is refused', async () => {
    const now = Math.floor(Date.now() / 1000);
    const old = something(target, { ahead: -4_000 });
    const signature = signatureOf(target, old).replace(/t=\d+/, `t=${now}`);
    await expectRefused(target, { ...old, headers: { 'stripe-signature': signature } });
    await expectRefused(
      target,
      rewritten(target, (text) => `t=${now - 9_000},${text}`),
    );
    await expectRefused(
      target,
      rewritten(target, (text) => text.replace(/t=\d+,/, '')),
    );
  });

  test('one right signature among several is enough, as while a secret is rolled', async () => {
    const zeros = '0'.repeat(64);
    for (const write of [
      (text: string) => `${text},v1=${zeros}`,
      (text: string) => text.replace('v1=', `v1=${zeros},v1=`),
      (text: string) => `${text},v0=${zeros}`,
    ])
      expect((await send(target, rewritten(target, write))).status).toBe(200);
  });
});
