import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { authorize, connectByOAuth, consent, present } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { openWorld, type TestWorld } from '../../support/open-world.ts';
import { openedCredential } from '../../support/opened.ts';
import { newPerson, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { until } from '../../support/trips.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { googleAdsTokens } from '../../world/providers/google-ads.ts';
import { metaTokens } from '../../world/providers/meta.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';
import { slackTokens } from '../../world/providers/slack.ts';
import { tiktokTokens } from '../../world/providers/tiktok.ts';
import { zendeskTokens } from '../../world/providers/zendesk.ts';
import type { Store } from '../../world/store.ts';
import type { World } from '../../world/world.ts';

const world = await openWorld();

/** Each test finds nobody connected, and no token that lives. */
afterEach(async () => {
  world.reset();
  await sql(world, 'truncate connections, webhooks, revocations');
  await forgetGrants();
  for (const { provider } of [...signIns, { provider: 'zendesk' }]) {
    const store = world.store(provider);
    for (const kind of ['token', 'access-token', 'refresh'])
      for (const { token } of store.list<{ token?: string }>(`${kind}/`))
        if (token !== undefined) store.delete(`${kind}/${token}`);
    for (const setting of ['sameToken', 'expiring']) store.delete(`settings.${setting}`);
  }
});

/** Also of what was stored before there was such a table. */
const forgetGrants = () =>
  sql(world, `do $$ begin if to_regclass('grants') is not null then delete from grants; end if; end $$`);

/** A provider that people sign in to, and how its grant ends. */
interface SignIn {
  provider: string;
  account?: string;
  /** By which requests the grant is ended. */
  ending: RegExp;
  /** The request that the code is exchanged with. */
  exchange: RegExp;
  tokens: (store: Store) => { token: string; alive: boolean }[];
}

const signIns: readonly SignIn[] = [
  {
    provider: 'slack',
    ending: /apps\.uninstall/,
    exchange: /oauth\.v2\.access/,
    tokens: slackTokens,
  },
  {
    provider: 'github',
    account: 'octocat',
    ending: /^DELETE .*\/grant$/,
    exchange: /access_token/,
    tokens: githubTokens,
  },
  { provider: 'google_ads', ending: /\/revoke$/, exchange: /\/token$/, tokens: googleAdsTokens },
  { provider: 'meta', ending: /^DELETE .*\/permissions/, exchange: /access_token/, tokens: metaTokens },
  { provider: 'tiktok', ending: /revoke_token/, exchange: /access_token/, tokens: tiktokTokens },
  {
    provider: 'shopify',
    ending: /^DELETE .*api_permissions/,
    exchange: /access_token/,
    tokens: shopifyTokens,
  },
];

const alive = ({ provider, tokens }: SignIn, at: World = world) =>
  tokens(at.store(provider)).filter((each) => each.alive).length;

async function signedIn({ provider, account }: SignIn): Promise<Person> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, provider, account === undefined ? {} : { account });
  expect(reply.status, reply.text).toBe(200);
  return person;
}

const disconnect = async ({ at }: Person, provider: string) => {
  const reply = await at.delete(`/api/connectors/${provider}`);
  expect(reply.status, reply.text).toBe(200);
  return reply.body.revocation;
};

/** What is written when a provider has said that somebody's connection is dead. */
async function dies(person: Person, { provider }: Pick<SignIn, 'provider'>): Promise<void> {
  await sql(
    world,
    `update connections set status = 'reauthorization_required', refresh_at = null,
       last_error_code = 'invalid_credential', last_error_message = 'It is over.', last_error_at = now()
     where user_id = $1 and provider = $2`,
    [person.id, provider],
  );
}

/** Has what is to be ended tried at once, until nothing is left but what waits for a grant that somebody lives on. */
async function nothingWaits(at: TestWorld = world): Promise<void> {
  await until(async () => {
    if ((await sql(at, `select from revocations where give_up_at < 'infinity'`)).length === 0) return true;
    await sql(at, 'update revocations set next_attempt_at = now()');
    await fireCron(at, 'revocation');
    return undefined;
  });
}

describe('a connection in need of a person', () => {
  test.each(signIns)(
    'counts as living at $provider: the DELETE of the last that lives answers `shared`, and ends nothing',
    async (signIn) => {
      const { provider, ending } = signIn;
      world.store('tiktok').set('settings.sameToken', true);
      const [one, other] = [await signedIn(signIn), await signedIn(signIn)];
      await dies(other, signIn);
      world.reset();
      expect(await disconnect(one, provider), 'the last that lives').toBe('revoked');
      expect(world.gateway.count(provider, ending), 'requests that end the grant').toBeGreaterThan(0);
      expect(alive(signIn), 'tokens that live').toBe(0);

      world.reset();
      expect(await disconnect(other, provider), 'the dead one').toBe('revoked');
      expect(world.gateway.calls.length, 'requests before it was said').toBeGreaterThan(0);
      await nothingWaits();
    },
  );

  test.each(signIns)('leaves the grant at $provider to those who live on it', async (signIn) => {
    const { provider } = signIn;
    world.store('tiktok').set('settings.sameToken', true);
    const [one, other] = [await signedIn(signIn), await signedIn(signIn)];
    await dies(one, signIn);
    world.reset();
    expect(await disconnect(one, provider), 'the dead one').toBe('shared');
    const works = await other.at.post(`/api/connectors/${provider}/test`);
    expect(works.body.status, works.text).toBe('connected');
    expect(await disconnect(other, provider), 'the living one').toBe('revoked');
    expect(alive(signIn), 'tokens that live').toBe(0);
    await nothingWaits();
  });

  test('counts as living: DELETE answers `shared`, later `revoked`, with no call to the provider at all', async () => {
    const key = issueKey(world, 'zendesk', { kind: 'oauth_client' });
    const people = [await newPerson(world), await newPerson(world)] as const;
    for (const { at } of people) expect((await connect(at, 'zendesk', key)).status).toBe(201);
    const [one, other] = people;
    // Its token's time is over by our clock.
    await sql(world, `update connections set expires_at = now() - interval '1 hour' where user_id = $1`, [
      other.id,
    ]);
    await dies(other, { provider: 'zendesk' });
    for (const person of [one, other]) {
      world.reset();
      expect(await disconnect(person, 'zendesk')).toBe('revoked');
      expect(world.gateway.count('zendesk', /^DELETE /), 'requests before it was said').toBe(1);
    }
    await nothingWaits();
    expect(zendeskTokens(world.store('zendesk')).filter((each) => each.alive)).toEqual([]);
  });
});

describe('a pasted key', () => {
  const otherKey = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');
  const lives = (at: World, key: string) =>
    at.store('vercel').get<{ revoked: boolean }>(`token/${key}`)?.revoked === false;

  /** A world with other settings on what another one has stored, which is ended. */
  async function reopened(first: TestWorld, directory: string, env: Record<string, string>) {
    await first.close();
    return openWorld({ directory, env }, first.database);
  }

  const changes: readonly [what: string, names: string[]][] = [
    ['STATE_KEY', ['STATE_KEY']],
    ['GRANT_KEY', ['GRANT_KEY']],
    ['STATE_KEY and GRANT_KEY', ['STATE_KEY', 'GRANT_KEY']],
  ];

  test.each(changes)(
    'is deleted at Vercel when it is pasted again after %s has changed',
    async (_, names) => {
      const directory = mkdtempSync(path.join(inject('directory'), 'world-'));
      const before = await openWorld({ directory });
      const key = issueKey(before, 'vercel');
      expect((await connect(before.ada, 'vercel', key)).status).toBe(201);

      const env = Object.fromEntries(names.map((name) => [name, otherKey()]));
      const after = await reopened(before, directory, env);
      const again = await connect(after.ada, 'vercel', key);
      expect(again.status, again.text).toBe(200);
      await fireCron(after, 'revocation');
      await nothingWaits(after);
      expect(after.gateway.count('vercel', /^DELETE /), 'requests that delete it').toBe(0);
      expect(lives(after, key.api_key), 'the key lives').toBe(true);
      const works = await after.ada.post('/api/connectors/vercel/test');
      expect(works.body.status, works.text).toBe('connected');
      expect(await revocationOf(after)).toBe('revoked');
      expect(lives(after, key.api_key), 'the key lives').toBe(false);
    },
    60_000,
  );

  test('that two have pasted, one before STATE_KEY has changed, is deleted at Vercel under the other', async () => {
    const directory = mkdtempSync(path.join(inject('directory'), 'world-'));
    const before = await openWorld({ directory });
    const key = issueKey(before, 'vercel');
    expect((await connect(before.ada, 'vercel', key)).status).toBe(201);
    const after = await reopened(before, directory, { STATE_KEY: otherKey() });
    expect((await connect(after.mallory, 'vercel', key)).status).toBe(201);
    expect(await revocationOf(after)).toBe('shared');
    await nothingWaits(after);
    const works = await after.mallory.post('/api/connectors/vercel/test');
    expect(works.body.status, works.text).toBe('connected');
  }, 60_000);

  async function revocationOf({ ada }: TestWorld): Promise<unknown> {
    return (await ada.delete('/api/connectors/vercel')).body.revocation;
  }
});

describe('a grant row that somebody deleted', () => {
  test.each(signIns)('is missed by nobody at $provider', async (signIn) => {
    const { provider, account } = signIn;
    world.store('tiktok').set('settings.sameToken', true);
    world.store('github').set('settings.expiring', true);
    const [one, other] = [await signedIn(signIn), await signedIn(signIn)];

    await forgetGrants();
    for (const { at } of [one, other]) {
      const tested = await at.post(`/api/connectors/${provider}/test`);
      expect(tested.body.status, tested.text).toBe('connected');
    }

    await forgetGrants();
    await sql(
      world,
      `update connections set expires_at = now() - interval '1 minute', refresh_at = now()
       where user_id = $1 and provider = $2 and refresh_token is not null`,
      [other.id, provider],
    );
    const refreshed = await other.at.post(`/api/connectors/${provider}/test`);
    expect(refreshed.body.status, refreshed.text).toBe('connected');

    await forgetGrants();
    const again = await connectByOAuth(one.at, provider, account === undefined ? {} : { account });
    expect(again.body.status, again.text).toBe('connected');

    await forgetGrants();
    expect(await disconnect(one, provider), 'the first').toBe('shared');
    const stays = await other.at.post(`/api/connectors/${provider}/test`);
    expect(stays.body.status, stays.text).toBe('connected');

    await forgetGrants();
    expect(await disconnect(other, provider), 'the second').toBe('revoked');
    await nothingWaits();
    expect(alive(signIn), 'tokens that live').toBe(0);
  });
});

describe('two people who finish sign-ins on one grant at the same instant, while a third disconnects', () => {
  const rounds = (at: number) => (at < 2 ? 30 : 10);

  test.each(signIns.map((signIn, at) => ({ ...signIn, rounds: rounds(at) })))(
    'have a living token at $provider wherever they are told that they are connected',
    async (signIn) => {
      const { provider, account, exchange, tokens, rounds } = signIn;
      const options = {
        ...(account !== undefined && { account }),
        ...(provider === 'shopify' && { query: { shop: 'north-store.myshopify.com' } }),
      };
      world.store('tiktok').set('settings.sameToken', true);
      let connected = 0;
      const pair = [await newPerson(world), await newPerson(world)];
      const third = await newPerson(world);
      for (let round = 0; round < rounds; round += 1) {
        const before = await connectByOAuth(third.at, provider, options);
        expect(before.status, before.text).toBe(200);
        const backs = await Promise.all(
          pair.map(async ({ at }) => consent(await authorize(at, provider, options), options)),
        );
        world.reset();
        const begun = pair.map(({ at }, which) => present(at, backs[which] as URL));
        // At once, when the first or both have their tokens, or when one of them is done.
        const asked = (times: number) =>
          until(() => world.gateway.count(provider, exchange) >= times || undefined);
        const instants = [() => undefined, () => asked(1), () => asked(2), () => Promise.race(begun)];
        await instants[round % instants.length]?.();
        const [left, ...told] = await Promise.all([third.at.delete(`/api/connectors/${provider}`), ...begun]);
        expect(['revoked', 'shared', 'pending'], left.text).toContain(left.body.revocation);
        const kept = told.filter(({ status }) => status === 200);
        await nothingWaits();
        for (const { body } of kept) {
          expect(body.status).toBe('connected');
          connected += 1;
          const held = await openedCredential(world, body.id);
          const record = tokens(world.store(provider)).find(({ token }) => token === held);
          expect(record, `round ${round}, after ${left.body.revocation}`).toMatchObject({ alive: true });
        }
        for (const [which, { status }] of told.entries())
          if (status === 200) await disconnect(pair[which] as Person, provider);
        await nothingWaits();
        expect(alive(signIn), `tokens that live after round ${round}`).toBe(0);
      }
      expect(connected, 'sign-ins that came to something').toBeGreaterThan(0);
    },
    120_000,
  );
});
