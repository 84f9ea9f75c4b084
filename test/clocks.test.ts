import { afterAll, describe, expect, test } from 'vitest';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson } from './support/people.ts';
import { until } from './support/trips.ts';
import { CLOCK_SWITCH } from './world/clock-switch.ts';

const world = await openWorld();
world.store('github').set('settings.expiring', true);

const setClock = (milliseconds: number) => fetch(`${world.url}${CLOCK_SWITCH}?shift=${milliseconds}`);
afterAll(() => setClock(0));

/** Seconds from PostgreSQL's now to the end of somebody's access token. */
async function leftOf(userId: string): Promise<number> {
  const [row] = await world.sql(
    'select extract(epoch from expires_at - now())::integer as left from connections where user_id = $1',
    [userId],
  );
  return Number(row?.left);
}

describe.each([
  ['five minutes behind', -300_000],
  ['five minutes ahead', 300_000],
])('a Worker whose clock is %s', (_, shift) => {
  test.each([
    ['github', undefined, 28_800],
    ['shopify', undefined, 3_600],
    ['ga4', {}, 3_600],
    ['zendesk', { kind: 'oauth_client' }, 86_400],
  ] as const)('connects %s until its token ends, and renews it', async (provider, key, lifetime) => {
    const person = await newPerson(world);
    // A callback of Shopify's must say our time, within 90 seconds.
    await setClock(provider === 'shopify' ? 0 : shift);
    const reply = key
      ? await connect(person.at, provider, issueKey(world, provider, key))
      : await connectByOAuth(person.at, provider, {
          query: provider === 'shopify' ? { shop: `shop-${shift > 0 ? 7001 : 7002}.myshopify.com` } : {},
        });
    expect([200, 201], reply.text).toContain(reply.status);
    expect(Math.abs((await leftOf(person.id)) - lifetime)).toBeLessThan(10);
    await setClock(shift);
    await world.sql(
      `update connections set refresh_at = now(), expires_at = now() + interval '2 minutes' where user_id = $1`,
      [person.id],
    );
    await fireCron(world);
    const left = await until(async () => {
      const seconds = await leftOf(person.id);
      return seconds > 200 ? seconds : undefined;
    });
    expect(Math.abs(left - lifetime)).toBeLessThan(10);
    const tested = await person.at.post(`/api/connectors/${provider}/test`);
    expect([tested.status, tested.body.status], tested.text).toEqual([200, 'connected']);

    await world.sql(`update connections set expires_at = now() + interval '30 seconds' where user_id = $1`, [
      person.id,
    ]);
    expect((await person.at.post(`/api/connectors/${provider}/test`)).body.status).toBe('connected');
    expect(await leftOf(person.id), 'renewed when it was needed').toBeGreaterThan(200);
  });
});
