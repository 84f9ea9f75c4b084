import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { send, something, storedOf, stripeEvent } from '../../support/deliveries.ts';
import { connect } from '../../support/keys.ts';
import { openWorld } from '../../support/open-world.ts';
import { sql } from '../../support/sql.ts';
import type { Target } from '../../support/targets.ts';
import type { EndpointRecord } from '../../world/providers/stripe/endpoint-book.ts';
import { expireStripeKey, rollSecret } from '../../world/providers/stripe.ts';
import {
  endpointsOf,
  happen,
  isDue,
  lookedAfter,
  lookedAfterByItself,
  ownAccount,
  rowOf,
  withStripe,
} from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

type Connected = Awaited<ReturnType<typeof withStripe>>;

const roll = ({ id }: Pick<Connected, 'id'>, hours = 0) => {
  const [endpoint] = endpointsOf(world, id);
  rollSecret(world.store('stripe'), endpoint?.id ?? '', { now: Date.now(), hours });
};

const idsOf = ({ id }: Pick<Connected, 'id'>) => endpointsOf(world, id).map((each) => each.id);

/** An event of the account that Stripe delivers; the statuses of our answers. */
const delivered = async ({ id, key }: Connected, more: Record<string, string> = {}) => {
  const sent = await happen(world, 'stripe', 'invoice.created', { account: key.account.id, to: id, ...more });
  return sent.map(({ status }) => status).sort();
};

const secretOf = (endpoint = '') => world.store('stripe').get<string>(`signing/${endpoint}`) ?? '';

const targetOf = ({ id, person }: Connected): Target =>
  ({ world, provider: 'stripe', id, person, shop: '', secret: 'whsec_of_a_stranger' }) satisfies Target;

/** Stripe made an endpoint so long ago. */
function madeAgo(id: string, seconds: number) {
  const store = world.store('stripe');
  const kept = store.get<EndpointRecord>(`endpoint/${id}`);
  if (!kept) throw new Error(`no such endpoint: ${id}`);
  const endpoint = { ...kept.endpoint, created: Math.floor(Date.now() / 1000) - seconds };
  store.set(`endpoint/${id}`, { ...kept, endpoint });
}

/** The look that ends a replacement. */
async function handedOver(connected: Connected) {
  const [made] = (await rowOf(world, connected.id)).registered;
  madeAgo(made?.id ?? '', 200);
  return lookedAfter(world, connected.id);
}

describe('a signing secret that was rolled in the Stripe Dashboard', () => {
  test('refuses deliveries for good no more: the first has the endpoint made anew, the former one goes after that', async () => {
    const connected = await withStripe(world);
    const [former] = idsOf(connected);
    roll(connected);
    expect(await delivered(connected)).toEqual([401]);
    const row = await lookedAfterByItself(world, connected.id);
    const made = idsOf(connected).find((each) => each !== former);
    // No gap: both stand until what the former was refused can be asked for.
    expect(row).toMatchObject({ status: 'active', registered: [{ id: made }, { id: former }] });
    expect(await delivered(connected)).toEqual([200, 401]);
    expect(await handedOver(connected)).toMatchObject({ status: 'active', registered: [{ id: made }] });
    expect(idsOf(connected)).toEqual([made]);
    expect(await delivered(connected)).toEqual([200]);
  });

  test('loses nothing of what was refused meanwhile, though Stripe tries nothing more for an endpoint that is gone', async () => {
    const connected = await withStripe(world);
    await sql(
      world,
      `update webhooks set complete_until = now() - interval '1 hour' where connection_id = $1`,
      [connected.id],
    );
    roll(connected);
    const evt = `evt_${randomBytes(12).toString('hex')}`;
    const created = Math.floor(Date.now() / 1000) - 300;
    const payload = stripeEvent('invoice.created', { id: evt, created });
    expect(await delivered(connected, { payload })).toEqual([401]);
    await lookedAfterByItself(world, connected.id);
    await handedOver(connected);
    expect((await storedOf(targetOf(connected))).map((each) => each.delivery_id)).toEqual([evt]);
  });

  test('is soon looked at again, before the last that was refused is out of mind', async () => {
    const connected = await withStripe(world);
    roll(connected);
    await delivered(connected);
    await lookedAfterByItself(world, connected.id);
    const soon = `select from webhooks where connection_id = $1 and check_at between now() + interval '2 minutes' and now() + interval '4 minutes'`;
    expect(await sql(world, soon, [connected.id])).toHaveLength(1);
  });

  test('is not taken for a misfit while the one before still holds', async () => {
    const connected = await withStripe(world);
    roll(connected, 24);
    expect(await delivered(connected)).toEqual([200]);
    expect(await isDue(world, connected.id)).toBe(false);
  });

  test('is not replaced twice by what the former endpoint is still refused', async () => {
    const connected = await withStripe(world);
    roll(connected);
    await delivered(connected);
    await lookedAfterByItself(world, connected.id);
    const both = idsOf(connected);
    await sql(
      world,
      `update webhooks set refused_at = refused_at - interval '1 day' where connection_id = $1`,
      [connected.id],
    );
    expect(await delivered(connected)).toEqual([200, 401]);
    await lookedAfterByItself(world, connected.id);
    expect(idsOf(connected)).toEqual(both);
    await handedOver(connected);
    expect(idsOf(connected)).toHaveLength(1);
    expect(both).toContain(idsOf(connected)[0]);
  });

  test('is healed at the next look where Stripe makes no endpoint at the moment', async () => {
    const connected = await withStripe(world);
    const former = idsOf(connected);
    roll(connected);
    await delivered(connected);
    world.gateway.misbehave({
      provider: 'stripe',
      match: '^POST .*/webhook_endpoints$',
      respond: { status: 500 },
    });
    expect(await lookedAfterByItself(world, connected.id)).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/tried again/),
    });
    expect(idsOf(connected)).toEqual(former);
    world.reset();
    expect(await lookedAfter(world, connected.id)).toMatchObject({ status: 'active', error: null });
    expect(await delivered(connected)).toEqual([200, 401]);
  });

  test('is healed by connecting again', async () => {
    const connected = await withStripe(world);
    roll(connected);
    await delivered(connected);
    const reply = await connect(connected.person.at, 'stripe', connected.key);
    expect([reply.status, reply.body.webhooks.status], reply.text).toEqual([200, 'active']);
    expect(await delivered(connected)).toEqual([200, 401]);
    const again = idsOf(connected);
    await connect(connected.person.at, 'stripe', connected.key);
    expect(idsOf(connected)).toEqual(again);
  });

  test('is healed by the test that finds a dead key working again', async () => {
    const connected = await withStripe(world);
    const slot = `key/${connected.key.api_key}`;
    const record = world.store('stripe').get<object>(slot);
    expireStripeKey(world.store('stripe'), connected.key.api_key);
    const test = () => connected.person.at.post('/api/connectors/stripe/test');
    expect((await test()).body.status).toBe('reauthorization_required');
    roll(connected);
    expect(await delivered(connected)).toEqual([401]);
    world.store('stripe').set(slot, record);
    expect((await test()).body.status).toBe('connected');
    await lookedAfterByItself(world, connected.id);
    expect(await delivered(connected)).toEqual([200, 401]);
  });

  test('of a key that may not read events is given a day, since nothing then tells it from a stranger’s', async () => {
    const permissions = 'webhook_write,webhook_read,account_read';
    const connected = await withStripe(world, { ...ownAccount(), permissions });
    const [former = ''] = idsOf(connected);
    roll(connected);
    await delivered(connected);
    await lookedAfterByItself(world, connected.id);
    expect(idsOf(connected)).toEqual([former]);
    madeAgo(former, 90_000);
    await lookedAfter(world, connected.id);
    expect(await delivered(connected)).toEqual([200, 401]);
  });
});

test('what is on its way with the secret before is taken until the former endpoint is gone, and a leaked one no longer', async () => {
  const connected = await withStripe(world);
  const [former] = idsOf(connected);
  const formerSecret = secretOf(former);
  const target = targetOf(connected);
  expect((await send(target, something(target))).status).toBe(401);
  // Only a person who connects again has one that works replaced on a stranger's word.
  await connect(connected.person.at, 'stripe', connected.key);
  expect(idsOf(connected)).toHaveLength(2);
  expect(await delivered(connected)).toEqual([200, 200]);
  await handedOver(connected);
  const [made, ...others] = idsOf(connected);
  expect([made === former, others]).toEqual([false, []]);
  const secrets = { former: formerSecret, made: secretOf(made) };
  // Another isolate, which remembers no key.
  const again = { ...target, world: await world.reopen() };
  expect((await send(again, something(again, { secret: secrets.former }))).status).toBe(401);
  expect((await send(again, something(again, { secret: secrets.made }))).status).toBe(200);
});
