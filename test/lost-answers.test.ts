import { beforeEach, describe, expect, test } from 'vitest';
import { aliveAt, forgetAll } from './chaos/failed-sign-ins/books.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';

const world = await openWorld();

beforeEach(async () => {
  world.reset();
  await quiet(world);
  await forgetAll(world);
  world.store('github').set('settings.expiring', true);
  world.store('slack').set('settings.rotation', true);
});

const strict = [
  { provider: 'github', account: 'octocat', renewal: 'oauth/access_token' },
  { provider: 'slack', account: 'Acme', renewal: 'oauth.v2.access' },
];

async function connected(provider: string, account: string): Promise<{ person: Person; id: string }> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, provider, { account });
  expect(reply.status, reply.text).toBe(200);
  await quiet(world);
  return { person, id: String(reply.body.id) };
}

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const [row] = await world.sql('select * from connections where id = $1', [id]);
  return row ?? {};
}

/** Has a connection refreshed, and waits until that has come to something. */
async function refreshed(id: string): Promise<Record<string, unknown>> {
  const before = await rowOf(id);
  await world.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);
  await fireCron(world, 'refresh');
  return until(async () => {
    const row = await rowOf(id);
    const isTried = ['version', 'failures', 'status'].some((name) => row[name] !== before[name]);
    return isTried && row.lease_id === null ? row : undefined;
  }, 20_000);
}

const loudSince = (logs: number) =>
  world.logs.slice(logs).filter((line) => line.includes('"event":"token_not_discarded"')).length;

/** What was written of the ends of a connection's tokens. */
const endsOf = async (id: string) =>
  (
    await world.sql(
      `select action from audit_log where connection_id = $1 and action ~ 'revoked|nothing' order by at`,
      [id],
    )
  ).map(({ action }) => action);

const disconnect = async ({ at }: Person, provider: string) =>
  (await at.delete(`/api/connectors/${provider}`)).body.revocation;

const workedOff = () =>
  until(async () => {
    await world.sql(`update revocations set next_attempt_at = now() where under_way_until is null`);
    await fireCron(world);
    return (await world.sql('select from revocations')).length === 0 || undefined;
  }, 20_000);

describe.each(strict)('a disconnect says revoked at $provider', ({ provider, account, renewal }) => {
  test.each([
    { what: 'got no answer', fault: { drop: 'after' as const } },
    { what: 'was answered too late by what stands before it', fault: { respond: { status: 504 } } },
    { what: 'was answered with what nobody can read', fault: { respond: { status: 200, body: '<p>' } } },
  ])('where a refresh $what, and may have brought what lives', async ({ fault }) => {
    const { person, id } = await connected(provider, account);
    world.gateway.misbehave({ provider, match: renewal, times: 1, ...fault });
    expect(await refreshed(id)).toMatchObject({ status: 'connected', version: 1 });
    if ('respond' in fault) {
      // What was lost was done all the same.
      world.gateway.misbehave({ provider, match: renewal, times: 1, drop: 'after' });
      await refreshed(id);
    }
    expect(await refreshed(id)).toMatchObject({ status: 'reauthorization_required' });
    expect(aliveAt(world, provider).length).toBeGreaterThan(0);
    const logs = world.logs.length;
    await world.sql(`update connections set expires_at = now() - interval '1 hour' where id = $1`, [id]);
    expect(await disconnect(person, provider)).toBe('unsupported');
    expect([await endsOf(id), loudSince(logs)]).toEqual([['nothing_to_end'], 1]);
  });

  test('where whoever refreshed it has vanished, and may have had an answer', async () => {
    const { person, id } = await connected(provider, account);
    world.gateway.misbehave({ provider, match: renewal, times: 1, drop: 'after' });
    await refreshed(id);
    // As it stands where the Worker was killed instead.
    await world.sql(
      `update connections set unheard_since = null, failures = 0, lease_id = gen_random_uuid(),
         lease_until = now() - interval '1 second', expires_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    const logs = world.logs.length;
    expect(await disconnect(person, provider)).toBe('unsupported');
    expect([await endsOf(id), loudSince(logs)]).toEqual([['nothing_to_end'], 1]);
  });

  test('where it has, though a refresh once got no answer, since the next was answered', async () => {
    const { person, id } = await connected(provider, account);
    world.gateway.misbehave({ provider, match: renewal, times: 1, drop: 'before' });
    expect((await refreshed(id)).unheard_since).not.toBeNull();
    expect(await refreshed(id)).toMatchObject({ status: 'connected', version: 2, unheard_since: null });
    expect(await disconnect(person, provider)).toBe('revoked');
    expect(aliveAt(world, provider)).toEqual([]);
  });

  test('where it has, once a refresh that was under way has come to something', async () => {
    const { person, id } = await connected(provider, account);
    const logs = world.logs.length;
    world.gateway.misbehave({ provider, match: renewal, times: 1, hold: 1_500 });
    await world.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);
    await fireCron(world, 'refresh');
    await until(async () => (await rowOf(id)).lease_id !== null || undefined);
    await disconnect(person, provider);
    // A minute and a half later, as it is tried again.
    await until(
      async () =>
        (await world.sql('select from revocations where unheard_since is not null')).length === 0 ||
        undefined,
    );
    await workedOff();
    expect([aliveAt(world, provider), loudSince(logs)]).toEqual([[], 0]);
    expect(await endsOf(id)).not.toContain('nothing_to_end');
  });
});

describe('what the provider says of a token that it has given to another client of ours', () => {
  const former = (id: string) =>
    world.sql(`update connections set client_id = 'a former one' where id = $1`, [id]);

  beforeEach(() => {
    world.store('github').delete('settings.expiring');
    world.store('slack').delete('settings.rotation');
  });

  test('is not taken for its end: that it does not know it is loud, and nothing is said to be revoked', async () => {
    const { person, id } = await connected('github', 'octocat');
    expect(await rowOf(id)).toMatchObject({ client_id: 'reeve-github-client' });
    await former(id);
    world.gateway.misbehave({ provider: 'github', match: '^DELETE', respond: { status: 404, body: '{}' } });
    const logs = world.logs.length;
    expect(await disconnect(person, 'github')).toBe('unsupported');
    expect([await endsOf(id), loudSince(logs)]).toEqual([['nothing_to_end'], 1]);
  });

  test('counts for the grants of the client alone: nobody’s end is left to who lives on another', async () => {
    const before = await connected('slack', 'Acme');
    await former(before.id);
    const { person, id } = await connected('slack', 'Acme');
    world.gateway.misbehave({
      provider: 'slack',
      match: 'apps.uninstall',
      times: 1,
      respond: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":true}' },
    });
    world.gateway.misbehave({
      provider: 'slack',
      match: 'auth.test',
      times: 1,
      respond: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '{"ok":false,"error":"token_revoked"}',
      },
    });
    expect(await disconnect(person, 'slack')).toBe('revoked');
    expect(await endsOf(id)).toEqual(['revoked']);
    expect(await rowOf(before.id)).toMatchObject({ status: 'connected' });
  });

  test('ends nothing of another’s that waits', async () => {
    const [before, beside] = [await connected('slack', 'Acme'), await connected('slack', 'Acme')];
    await former(before.id);
    await former(beside.id);
    // Another token of the same workspace, so that it waits for the end of its grant.
    await world.sql(`update connections set credential_id = 'another' where id = $1`, [beside.id]);
    expect(await disconnect(before.person, 'slack')).toBe('shared');
    await until(
      async () =>
        (await world.sql(`select from revocations where last_error_code = 'grant_in_use'`)).length === 1 ||
        undefined,
    );
    const { person } = await connected('slack', 'Acme');
    expect(await disconnect(person, 'slack')).toBe('revoked');
    expect(await world.sql('select client_id from revocations')).toEqual([{ client_id: 'a former one' }]);
  });
});

test('a disconnect says revoked where the provider goes on taking the token for what it may not do', async () => {
  const { person } = await connected('github', 'octocat');
  world.gateway.misbehave({ provider: 'github', match: '^DELETE', times: 1, respond: { status: 204 } });
  world.gateway.misbehave({
    provider: 'github',
    match: '^GET .*/user',
    times: 1,
    respond: { status: 403, body: '{"message":"Resource not accessible by integration"}' },
  });
  expect(await disconnect(person, 'github')).toBe('pending');
  await workedOff();
  expect(aliveAt(world, 'github')).toEqual([]);
});
