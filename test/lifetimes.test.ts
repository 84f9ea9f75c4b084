import { beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from './support/open-world.ts';
import { DAY, HOUR, MINUTE, ownerOf, pass, rowOf, soon, toldOf, typesOf } from './support/passing.ts';
import { openClock } from './world/clock.ts';
import type { Fault } from './world/gateway.ts';

const clock = openClock();
const world = await openWorld({ now: clock.now });
await clock.rule(world);
world.store('github').set('settings.expiring', true);

beforeEach(async () => {
  world.reset();
  for (const table of ['connections', 'webhooks', 'events', 'provider_states', 'revocations'])
    await world.sql(`delete from ${table}`);
});

/** Days that a refresh token lives where it is not used. */
const lives = { shopify: 90, github: 184 } as const;
type Renewed = keyof typeof lives;

const answers: ReadonlyArray<[provider: Renewed, what: string, Omit<Fault, 'provider'>]> = [
  ['shopify', '404 and a page', { respond: { status: 404, body: '<html>Not here</html>' } }],
  ['shopify', '402', { respond: { status: 402, body: '{"errors":"Unavailable Shop"}' } }],
  ['shopify', '403', { respond: { status: 403, body: '{}' } }],
  ['shopify', '423', { respond: { status: 423, body: '{"errors":"Locked"}' } }],
  [
    'shopify',
    'a redirect',
    { respond: { status: 301, headers: { location: 'https://shop.example/' }, body: '' } },
  ],
  ['shopify', 'nothing', { drop: 'before' }],
  ['github', '404 and a page', { respond: { status: 404, body: '<html>Not here</html>' } }],
  ['github', '503', { respond: { status: 503, body: 'no' } }],
];

const owner = (provider: Renewed) =>
  ownerOf(world, { provider }, provider === 'shopify' ? { shop: 'north-store.myshopify.com' } : {});

describe('past the end of its refresh token a connection stays connected, and is asked about for ever, where its provider answers', () => {
  test.each(answers)('%s: %s', async (provider, _, fault) => {
    const person = await owner(provider);
    world.gateway.misbehave({ provider, ...fault });
    await pass(world, clock, 9 * HOUR);
    await soon(async () => expect((await rowOf(world, person)).failures).toBeGreaterThan(0));
    expect((await rowOf(world, person)).status, 'while it may come back').toBe('connected');

    await pass(world, clock, lives[provider] * DAY - 9 * HOUR + MINUTE);
    await soon(async () => expect((await rowOf(world, person)).status).toBe('reauthorization_required'));
    const over = () => toldOf(world, person).filter(({ type }) => type.endsWith('reauthorization_required'));
    await soon(() => expect(over()).toHaveLength(1));
    expect(over()[0]?.data).toEqual({ reason: 'ended', action: expect.stringMatching(/\w.{20,}\.$/) });
    expect(await rowOf(world, person)).toMatchObject({ refresh_at: null, lease_id: null });

    const asked = world.gateway.count(provider);
    for (let passed = 0; passed < 3; passed += 1) await pass(world, clock, 10 * HOUR);
    expect(world.gateway.count(provider), 'asked after its end').toBe(asked);
    expect(over()).toHaveLength(1);
  });
});

describe('the end of a refresh token is not foretold', () => {
  test.each(['shopify', 'github'] as const)('a week before, while renewals fail: %s', async (provider) => {
    const person = await owner(provider);
    world.gateway.misbehave({ provider, respond: { status: 503, body: 'no' } });
    await pass(world, clock, 9 * HOUR);
    await pass(world, clock, (lives[provider] - 8) * DAY - 9 * HOUR);
    await pass(world, clock, MINUTE);
    expect(typesOf(world, person), 'more than a week before').toEqual(['connection.connected']);

    await pass(world, clock, DAY);
    await pass(world, clock, MINUTE);
    await soon(() => expect(typesOf(world, person)).toEqual(['connection.connected', 'connection.expiring']));
    const { reauthorize_by } = (toldOf(world, person).at(-1)?.data ?? {}) as { reauthorize_by?: string };
    const left = (Date.parse(reauthorize_by ?? '') - clock.now()) / DAY;
    expect(left).toBeGreaterThan(6.9);
    expect(left).toBeLessThan(7.1);
    await pass(world, clock, DAY);
    await pass(world, clock, MINUTE);
    expect(typesOf(world, person), 'once').toEqual(['connection.connected', 'connection.expiring']);
  });

  test('and needs not be where renewals succeed, each of which begins another life', async () => {
    const person = await owner('shopify');
    for (let renewals = 1; renewals <= 4; renewals += 1) {
      await pass(world, clock, 60 * DAY);
      await soon(async () => expect((await rowOf(world, person)).version).toBe(renewals + 1));
      await pass(world, clock, MINUTE);
      expect(await rowOf(world, person)).toMatchObject({ status: 'connected', failures: 0 });
    }
    expect(typesOf(world, person)).toEqual(['connection.connected']);
  });
});
