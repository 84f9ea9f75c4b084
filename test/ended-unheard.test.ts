import { expect, test } from 'vitest';
import { aliveAt } from './chaos/failed-sign-ins/books.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, newTeam } from './support/people.ts';
import { until } from './support/trips.ts';
import { endGoogleAdsGrant } from './world/providers/google-ads.ts';
import { endMetaTokens } from './world/providers/meta.ts';

const world = await openWorld();

/** Has what is due tried, until something is so. */
const minutesUntil = (isSo: () => Promise<boolean>) =>
  until(async () => {
    await world.sql(`update revocations set next_attempt_at = now() where give_up_at < 'infinity'`);
    await fireCron(world);
    return (await isSo()) ? true : undefined;
  }, 20_000);

test.each([
  ['google_ads', 'ada@acme.example'],
  ['meta', 'Nora Lind'],
])(
  'a grant at %s that ended unheard and was given anew ends with whoever is found dead last',
  async (provider, account) => {
    const [first, second] = [await newPerson(world), await newPerson(world)];
    await connectByOAuth(first.at, provider, { account });
    if (provider === 'meta') endMetaTokens(world.store('meta'), 458, account);
    else endGoogleAdsGrant(world.store('google_ads'), account);
    await connectByOAuth(second.at, provider, { account });
    expect((await second.at.delete(`/api/connectors/${provider}`)).body.revocation).toBe('shared');
    const dead = await first.at.post(`/api/connectors/${provider}/test`);
    expect(dead.body.status).toBe('reauthorization_required');
    await minutesUntil(async () => aliveAt(world, provider).length === 0);
    expect((await first.at.delete(`/api/connectors/${provider}`)).body.revocation).toBe('revoked');
    await minutesUntil(async () => (await world.sql('select from revocations')).length === 0);
  },
);

test.each([
  ['github', 'octocat'],
  ['slack', 'Acme'],
  ['google_ads', 'ada@acme.example'],
  ['meta', 'Nora Lind'],
])(
  'a connection at %s whose grant ended while its owner was out is not connected for long once they are back',
  async (provider, account) => {
    const team = await newTeam(world);
    const [owner, other] = [await newPerson(world, { teams: [team.id] }), await newPerson(world)];
    await connectByOAuth(owner.at, provider, { account, brand: team.brand });
    await connectByOAuth(other.at, provider, { account });
    await world.sql('delete from team_members where user_id = $1', [owner.id]);
    expect((await other.at.delete(`/api/connectors/${provider}`)).body.revocation).toBe('revoked');
    expect(aliveAt(world, provider)).toEqual([]);
    await world.sql('insert into team_members (team_id, user_id) values ($1, $2)', [team.id, owner.id]);
    await fireCron(world);
    await until(async () => {
      const list = await owner.at.get('/api/connectors/list', { brand: team.brand });
      return list.body.connections[0].status === 'reauthorization_required' ? true : undefined;
    });
  },
);

test('a key that is ended while somebody pastes it is not connected', async () => {
  const [first, second] = [await newPerson(world), await newPerson(world)];
  const key = issueKey(world, 'vercel');
  await connect(first.at, 'vercel', key);
  world.gateway.reset();
  world.gateway.misbehave({ provider: 'vercel', match: '^GET', times: 1, hold: 600 });
  const pasting = connect(second.at, 'vercel', key);
  await until(() => world.gateway.count('vercel') || undefined);
  expect((await first.at.delete('/api/connectors/vercel')).body.revocation).toBe('revoked');
  const reply = await pasting;
  expect([reply.status, reply.body.code]).toEqual([409, 'in_progress']);
  expect((await second.at.get('/api/connectors/list')).body.connections).toEqual([]);
});

test('a disconnect whose answer is lost leaves the grant to whoever lives on it', async () => {
  for (const [provider, account] of [
    ['github', 'octocat'],
    ['shopify', ''],
  ] as const) {
    const [first, second] = [await newPerson(world), await newPerson(world)];
    await connectByOAuth(first.at, provider, { account });
    await connectByOAuth(second.at, provider, { account });
    world.neon.faults.failNext(1, { after: true, match: /'requested' as loss/ });
    const reply = await first.at.delete(`/api/connectors/${provider}`);
    expect(reply.body.revocation, reply.text).toBe('shared');
    expect((await second.at.post(`/api/connectors/${provider}/test`)).body.status, provider).toBe(
      'connected',
    );
    expect((await second.at.delete(`/api/connectors/${provider}`)).body.revocation).toBe('revoked');
  }
});

test('who stops waiting for a grant’s end as the last who lived on it leaves is tried again at once', async () => {
  const [first, second] = [await newPerson(world), await newPerson(world)];
  for (const { at } of [first, second])
    await connectByOAuth(at, 'google_ads', { account: 'ada@acme.example' });
  let isHeld = false;
  world.neon.faults.decide((sql) => {
    if (isHeld || !sql.includes("'grant_in_use'")) return undefined;
    isHeld = true;
    return { after: false, holdMs: 1_500 };
  });
  const leaving = first.at.delete('/api/connectors/google_ads');
  await until(() => isHeld || undefined);
  expect((await second.at.delete('/api/connectors/google_ads')).body.revocation).toBe('revoked');
  expect((await leaving).body.revocation, 'as it was when it left').toBe('shared');
  world.neon.faults.reset();
  await minutesUntil(async () => (await world.sql('select from revocations')).length === 0);
});
