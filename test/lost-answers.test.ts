import { beforeEach, describe, expect, test } from 'vitest';
import { aliveAt, forgetAll } from './chaos/failed-sign-ins/books.ts';
import { quiet } from './chaos/owners-leave/quiet.ts';
import { fireCron } from './support/cron.ts';
import { connectByOAuth } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { openWorld } from './support/open-world.ts';
import { connectionOf, refreshed } from './support/passing.ts';
import { newPerson, type Person } from './support/people.ts';
import { until } from './support/trips.ts';
import { endGoogleAdsGrant } from './world/providers/google-ads.ts';
import { endMetaTokens } from './world/providers/meta.ts';
import { deleteZendeskClient, zendeskTokens } from './world/providers/zendesk.ts';

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
    expect(await refreshed(world, id)).toMatchObject({ status: 'connected', version: 1 });
    if ('respond' in fault) {
      // What was lost was done all the same.
      world.gateway.misbehave({ provider, match: renewal, times: 1, drop: 'after' });
      await refreshed(world, id);
    }
    expect(await refreshed(world, id)).toMatchObject({ status: 'reauthorization_required' });
    expect(aliveAt(world, provider).length).toBeGreaterThan(0);
    const logs = world.logs.length;
    await world.sql(`update connections set expires_at = now() - interval '1 hour' where id = $1`, [id]);
    expect(await disconnect(person, provider)).toBe('unsupported');
    expect([await endsOf(id), loudSince(logs)]).toEqual([['nothing_to_end'], 1]);
  });

  test('where whoever refreshed it has vanished, and may have had an answer', async () => {
    const { person, id } = await connected(provider, account);
    world.gateway.misbehave({ provider, match: renewal, times: 1, drop: 'after' });
    await refreshed(world, id);
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
    expect((await refreshed(world, id)).unheard_since).not.toBeNull();
    expect(await refreshed(world, id)).toMatchObject({
      status: 'connected',
      version: 2,
      unheard_since: null,
    });
    expect(await disconnect(person, provider)).toBe('revoked');
    expect(aliveAt(world, provider)).toEqual([]);
  });

  test('where it has, once a refresh that was under way has come to something', async () => {
    const { person, id } = await connected(provider, account);
    const logs = world.logs.length;
    world.gateway.misbehave({ provider, match: renewal, times: 1, hold: 1_500 });
    await world.sql(`update connections set refresh_at = now() - interval '1 second' where id = $1`, [id]);
    await fireCron(world, 'refresh');
    await until(async () => (await connectionOf(world, id)).lease_id !== null || undefined);
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
    expect(await connectionOf(world, id)).toMatchObject({ client_id: 'reeve-github-client' });
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
    expect(await connectionOf(world, before.id)).toMatchObject({ status: 'connected' });
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

test('a disconnect says revoked where GitHub does not know a token that it goes on taking', async () => {
  world.store('github').delete('settings.expiring');
  const { person } = await connected('github', 'octocat');
  world.gateway.misbehave({
    provider: 'github',
    match: '^DELETE',
    times: 1,
    respond: { status: 422, body: '{}' },
  });
  expect(await disconnect(person, 'github')).toBe('pending');
  await workedOff();
  expect(aliveAt(world, 'github')).toEqual([]);
});

test.each([
  { what: 'a page of a proxy', respond: { status: 401, body: '<p>' } },
  { what: 'a page of a load balancer', respond: { status: 404, body: 'default backend - 404' } },
])('a connection to Gorgias dies of $what in front of it', async ({ respond }) => {
  const person = await newPerson(world);
  expect((await connect(person.at, 'gorgias', issueKey(world, 'gorgias'))).status).toBe(201);
  world.gateway.misbehave({ provider: 'gorgias', times: 1, respond });
  expect((await person.at.post('/api/connectors/gorgias/test')).body.code).toBe('provider_error');
  expect((await person.at.post('/api/connectors/gorgias/test')).body.status).toBe('connected');
});

test('a disconnect says revoked at TikTok for a token of a former client, which it answers by 200 and a code', async () => {
  const { person, id } = await connected('tiktok', 'ads@kettle.example');
  await world.sql(`update connections set client_id = 'a former one' where id = $1`, [id]);
  world.gateway.misbehave({
    provider: 'tiktok',
    match: 'revoke_token|advertiser/get',
    respond: {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"code":40105,"message":"Access token is incorrect or has been revoked","data":{}}',
    },
  });
  const logs = world.logs.length;
  expect(await disconnect(person, 'tiktok')).toBe('unsupported');
  expect([await endsOf(id), loudSince(logs)]).toEqual([['nothing_to_end'], 1]);
});

describe('a sign-in whose exchange got no answer', () => {
  const unheardSince = (logs: number) =>
    world.logs.slice(logs).filter((line) => line.includes('"event":"tokens_unheard"')).length;

  test.each([
    { what: 'in time', fault: { drop: 'after' as const }, loud: 1 },
    { what: 'but by what stands before GitHub', fault: { respond: { status: 502 } }, loud: 1 },
    {
      what: 'that could be read',
      fault: { respond: { status: 200, headers: { 'content-type': 'text/html' }, body: '<p>' } },
      loud: 1,
    },
    {
      what: 'but a refusal, is no news',
      fault: {
        respond: {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: '{"error":"bad_verification_code"}',
        },
      },
      loud: 0,
    },
  ])('$what, leaves what it may have brought without a word', async ({ fault, loud }) => {
    const person = await newPerson(world);
    const logs = world.logs.length;
    world.gateway.misbehave({ provider: 'github', match: 'access_token', times: 1, ...fault });
    const reply = await connectByOAuth(person.at, 'github', { account: 'octocat' });
    expect(reply.status).toBe(reply.body.code === 'provider_timeout' ? 504 : 502);
    expect(unheardSince(logs)).toBe(loud);
  });

  test('takes a shop’s refresh token away from who lives there, whose disconnect then says revoked', async () => {
    const { person, id } = await connected('shopify', '');
    world.gateway.misbehave({ provider: 'shopify', match: 'oauth/access_token', times: 1, drop: 'after' });
    await connectByOAuth((await newPerson(world)).at, 'shopify');
    // Its access token works on, and who has signed in may try again.
    expect(await refreshed(world, id)).toMatchObject({ status: 'connected', failures: 1 });
    await world.sql(`update connections set expires_at = now() - interval '1 hour' where id = $1`, [id]);
    expect(await disconnect(person, 'shopify')).toBe('unsupported');
    expect(await endsOf(id)).toEqual(['nothing_to_end']);
  });
});

describe('a token of Zendesk’s that nobody holds', () => {
  const withZendesk = async () => {
    const person = await newPerson(world);
    const reply = await connect(person.at, 'zendesk', issueKey(world, 'zendesk', { kind: 'oauth_client' }));
    expect(reply.status, reply.text).toBe(201);
    await quiet(world);
    return { person, id: String(reply.body.id) };
  };

  test('lives on for a while after a disconnect that says revoked, since it was renewed just before', async () => {
    const { person, id } = await withZendesk();
    expect((await person.at.post('/api/connectors/zendesk/test')).body.status).toBe('connected');
    expect(await disconnect(person, 'zendesk')).toBe('pending');
    await until(async () => {
      await world.sql(`update revocations set next_attempt_at = now() where under_way_until is null`);
      await fireCron(world, 'revocation');
      return (
        (await world.sql('select from revocations where connection_id = $1', [id])).length === 0 || undefined
      );
    });
    expect(zendeskTokens(world.store('zendesk')).filter(({ alive }) => alive)).toEqual([]);
  });

  describe('and that could not be ended while Zendesk was down', () => {
    const down = { provider: 'zendesk', match: '^DELETE', times: 1, respond: { status: 503 } };

    /** Has a token of a connection's replaced, whose end then fails, once. */
    const failToEnd = async (id: string, replace: () => Promise<unknown>) => {
      world.gateway.misbehave(down);
      await replace();
      await fireCron(world, 'revocation');
      await until(async () => {
        const [row] = await world.sql(
          'select attempts, under_way_until from revocations where connection_id = $1',
          [id],
        );
        return (row?.attempts === 1 && row.under_way_until === null) || undefined;
      });
    };

    test('lives on after a disconnect that says revoked', async () => {
      const { person, id } = await withZendesk();
      await failToEnd(id, () => person.at.post('/api/connectors/zendesk/test'));
      expect(await disconnect(person, 'zendesk')).toBe('pending');
    });

    test('lives on after a disconnect that says revoked, since it was made from another key', async () => {
      const { person, id } = await withZendesk();
      const other = issueKey(world, 'zendesk', { kind: 'oauth_client' });
      await failToEnd(id, () => connect(person.at, 'zendesk', other));
      expect(await disconnect(person, 'zendesk')).toBe('pending');
    });

    test('has a disconnect of somebody else’s said to be pending, whose tokens are all over', async () => {
      const key = issueKey(world, 'zendesk', { kind: 'oauth_client' });
      const [person, other] = [await newPerson(world), await newPerson(world)];
      const id = String((await connect(other.at, 'zendesk', key)).body.id);
      expect((await connect(person.at, 'zendesk', key)).status).toBe(201);
      await quiet(world);
      world.gateway.misbehave(down);
      expect(await disconnect(other, 'zendesk')).toBe('shared');
      expect((await world.sql('select from revocations where connection_id = $1', [id])).length).toBe(1);
      // Their administrator deletes the client, and with it what was made from it.
      deleteZendeskClient(world.store('zendesk'), key.api_key);
      expect(await disconnect(person, 'zendesk')).toBe('revoked');
    });
  });

  test('is over, though a disconnect says pending, where what the sign-in brought has not been settled', async () => {
    const { person, id } = await withZendesk();
    await world.sql(
      `insert into revocations (
         id, connection_id, user_id, brand_id, tenant_id, provider, account_id, grant_id, credential_id, config, version,
         data_key_id, credential, next_attempt_at, give_up_at
       )
       select gen_random_uuid(), id, user_id, brand_id, tenant_id, provider, account_id, grant_id, credential_id, config,
         version, data_key_id, credential, now() + interval '1 minute', now() + interval '1 day'
       from connections where id = $1`,
      [id],
    );
    expect(await disconnect(person, 'zendesk')).toBe('revoked');
  });

  test('is left without a word by a renewal that got no answer', async () => {
    const { id } = await withZendesk();
    world.gateway.misbehave({ provider: 'zendesk', match: 'oauth/tokens', times: 1, drop: 'after' });
    const logs = world.logs.length;
    await refreshed(world, id);
    const loud = world.logs.slice(logs).filter((line) => line.includes('"event":"tokens_unheard"'));
    expect(loud).toHaveLength(1);
    expect(loud[0]).toContain(id);
  });

  test('is left without a word by whoever was killed between the answer and the row', async () => {
    const { id } = await withZendesk();
    await world.sql(
      `update connections set lease_id = gen_random_uuid(), lease_until = now() - interval '1 second' where id = $1`,
      [id],
    );
    const logs = world.logs.length;
    await refreshed(world, id);
    const loud = world.logs.slice(logs).filter((line) => line.includes('"event":"tokens_unheard"'));
    expect(loud).toHaveLength(1);
  });

  test('is taken for ended where its help desk is at another address by now', async () => {
    const { person, id } = await withZendesk();
    world.gateway.misbehave({
      provider: 'zendesk',
      match: '^DELETE',
      respond: {
        status: 404,
        headers: { 'content-type': 'application/json' },
        body: '{"error":{"title":"No help desk at acme.zendesk.com","message":"There is no help desk configured at this address."}}',
      },
    });
    expect(await disconnect(person, 'zendesk')).toBe('pending');
    expect(await endsOf(id)).toEqual([]);
  });

  test('is left by an odd answer to the test of a key that had been refused', async () => {
    const { person, id } = await withZendesk();
    await world.sql(
      `update connections set status = 'reauthorization_required', refresh_at = null,
         last_error_code = 'invalid_credential' where id = $1`,
      [id],
    );
    world.gateway.misbehave({
      provider: 'zendesk',
      match: 'oauth/tokens',
      times: 1,
      respond: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '{"access_token":"nobody-s-own","token_type":"mac","expires_in":86400}',
      },
    });
    const before = world.gateway.count('zendesk', /^DELETE .*oauth\/tokens/);
    expect((await person.at.post('/api/connectors/zendesk/test')).body.code).toBe('provider_error');
    await until(() => world.gateway.count('zendesk', /^DELETE .*oauth\/tokens/) > before || undefined);
  });
});

test('a token that TikTok gives in an answer of another form is dropped, and lives on for ever', async () => {
  const person = await newPerson(world);
  world.gateway.misbehave({
    provider: 'tiktok',
    match: 'oauth2/access_token',
    times: 1,
    respond: {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"code":"0","message":"OK","data":{"access_token":"nobody-s-own","scope":[4]}}',
    },
  });
  expect((await connectByOAuth(person.at, 'tiktok')).body.code).toBe('provider_error');
  await until(() => world.gateway.count('tiktok', /revoke_token/) > 0 || undefined);
});

test.each([
  { what: 'a checkpoint', ending: 459 as const },
  { what: 'a new password', ending: 460 as const },
])(
  'Meta’s word on a token that $what has ended is taken for the end of what the person gave',
  async ({ ending }) => {
    const { person, id } = await connected('meta', 'Nora Lind');
    const grants = () => world.store('meta').list('grant/').length;
    const before = grants();
    endMetaTokens(world.store('meta'), ending);
    expect(await disconnect(person, 'meta')).toBe('revoked');
    expect([grants(), await endsOf(id)]).toEqual([before - 1, ['revoked']]);
  },
);

test('Meta’s word on a token past its time is taken for the end of what the person gave', async () => {
  const { person, id } = await connected('meta', 'Nora Lind');
  const grants = () => world.store('meta').list('grant/').length;
  const before = grants();
  await world.sql(`update connections set expires_at = now() - interval '1 hour' where id = $1`, [id]);
  expect(await disconnect(person, 'meta')).toBe('revoked');
  expect(grants()).toBe(before - 1);
});

test('a connection that a former client of ours was given is refused for ever, and nobody is told', async () => {
  const { id } = await connected('google_ads', 'ada@acme.example');
  const refused = {
    provider: 'google_ads',
    match: 'oauth2.googleapis.com/token',
    times: 1,
    respond: {
      status: 401,
      headers: { 'content-type': 'application/json' },
      body: '{"error":"unauthorized_client"}',
    },
  };
  await world.sql(`update connections set client_id = 'a former one' where id = $1`, [id]);
  world.gateway.misbehave(refused);
  // Our settings may be wrong: nobody has been given anything by that client yet.
  expect(await refreshed(world, id)).toMatchObject({
    status: 'connected',
    last_error_code: 'client_refused',
  });
  const other = await connected('google_ads', 'max@agency.example');
  await refreshed(world, other.id);
  await world.sql(`update provider_states set paused_until = null`);
  world.gateway.misbehave(refused);
  expect(await refreshed(world, id)).toMatchObject({ status: 'reauthorization_required' });
  expect(await connectionOf(world, other.id)).toMatchObject({ status: 'connected' });
});

describe('a grant that all clients of our project share', () => {
  test('ends for another with the disconnect of one that a former client of ours was given', async () => {
    const [before, other] = [
      await connected('google_ads', 'ada@acme.example'),
      await connected('google_ads', 'ada@acme.example'),
    ];
    await world.sql(`update connections set client_id = 'a former one' where id = $1`, [before.id]);
    expect(await disconnect(before.person, 'google_ads')).toBe('shared');
    const stays = await other.person.at.post('/api/connectors/google_ads/test');
    expect(stays.body.status, stays.text).toBe('connected');
    expect(await disconnect(other.person, 'google_ads')).toBe('revoked');
  });

  test('ends under who signs in anew after the client has changed', async () => {
    const { person, id } = await connected('google_ads', 'ada@acme.example');
    await world.sql(`update connections set client_id = 'a former one' where id = $1`, [id]);
    const again = await connectByOAuth(person.at, 'google_ads', { account: 'ada@acme.example' });
    expect(again.body.status, again.text).toBe('connected');
    expect(await world.sql('select from revocations')).toEqual([]);
    await fireCron(world, 'revocation');
    const stays = await person.at.post('/api/connectors/google_ads/test');
    expect(stays.body.status, stays.text).toBe('connected');
  });
});

test('who signs in while nobody knows whether the grant has ended says connected for a day with a token that has ended with it', async () => {
  world.store('github').delete('settings.expiring');
  const [first, second] = [await connected('github', 'octocat'), await newPerson(world)];
  // Theirs has come before the end, and is asked about.
  world.gateway.misbehave({ provider: 'github', match: '^GET .*/user', times: 1, hold: 800 });
  world.gateway.misbehave({ provider: 'github', match: '^DELETE', times: 1, drop: 'after' });
  world.gateway.calls.length = 0;
  const signingIn = connectByOAuth(second.at, 'github', { account: 'octocat' });
  await until(() => world.gateway.count('github', /^GET .*\/user/) > 0 || undefined);
  expect(await disconnect(first.person, 'github')).toBe('pending');
  const reply = await signingIn;
  expect(reply.status, reply.text).toBe(200);
  await workedOff();
  await fireCron(world, 'check');
  await until(
    async () => (await connectionOf(world, reply.body.id)).status === 'reauthorization_required' || undefined,
  );
});

test('a disconnect says revoked while a sign-in has just brought another token of the grant', async () => {
  const { person } = await connected('google_ads', 'ada@acme.example');
  endGoogleAdsGrant(world.store('google_ads'), 'ada@acme.example');
  world.gateway.misbehave({ provider: 'google_ads', match: 'googleads|revoke', respond: { status: 503 } });
  await connectByOAuth((await newPerson(world)).at, 'google_ads', { account: 'ada@acme.example' });
  await quiet(world);
  world.gateway.reset();
  // As it stands while their sign-in is at its probe.
  await world.sql(
    `update revocations set attempts = 0, give_up_at = now() + interval '24 hours',
       next_attempt_at = now() + interval '1 minute'`,
  );
  expect(await disconnect(person, 'google_ads')).toBe('pending');
  await workedOff();
  expect(aliveAt(world, 'google_ads')).toEqual([]);
});

test('a key that was pasted under another GRANT_KEY is known under today’s within a day', async () => {
  const person = await newPerson(world);
  const reply = await connect(person.at, 'vercel', issueKey(world, 'vercel'));
  const id = String(reply.body.id);
  const { grant_id, credential_id } = await connectionOf(world, id);
  await world.sql(`update connections set grant_id = 'former', credential_id = 'former', check_at = now()`);
  await fireCron(world, 'check');
  await until(async () => (await connectionOf(world, id)).grant_id !== 'former' || undefined);
  expect(await connectionOf(world, id)).toMatchObject({ grant_id, credential_id });
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
