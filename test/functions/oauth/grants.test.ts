import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { aliveAt, forgetAll, heldOf, looseOf } from '../../chaos/failed-sign-ins/books.ts';
import { altered } from '../../support/callbacks.ts';
import type { Reply } from '../../support/client.ts';
import { fireCron } from '../../support/cron.ts';
import { authorize, connectByOAuth, consent, type FlowOptions, present } from '../../support/flows.ts';
import { openWorld } from '../../support/open-world.ts';
import { newPerson, newTeam, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { quiet, until } from '../../support/trips.ts';
import type { Call } from '../../world/gateway.ts';
import { github } from '../../world/providers/github.ts';
import { slack } from '../../world/providers/slack.ts';
import type { SimulatorFactory } from '../../world/simulator.ts';

/** What token answers say instead of their own type. */
let oddType: string | undefined;

/** The same provider, whose tokens are given all the same when their type is odd. */
const withOddTypes =
  (make: SimulatorFactory): SimulatorFactory =>
  (context) => {
    const simulator = make(context);
    return {
      ...simulator,
      async fetch(request) {
        const isToken = /(oauth\/access_token|oauth\.v2\.access)$/.test(new URL(request.url).pathname);
        const response = await simulator.fetch(request);
        if (!isToken || oddType === undefined) return response;
        const body = { ...((await response.json()) as object), token_type: oddType };
        return Response.json(body, { status: response.status });
      },
    };
  };

const world = await openWorld({ simulators: [withOddTypes(github), withOddTypes(slack)] });

beforeEach(() => forgetAll(world));
afterEach(() => {
  oddType = undefined;
  world.reset();
  world.store('slack').delete('settings.rotation');
});

/** Somebody in a brand of a team of their own. */
async function stranger(): Promise<{ person: Person; brand: string }> {
  const team = await newTeam(world);
  return { person: await newPerson(world, { teams: [team.id] }), brand: team.brand };
}

async function connected(provider: string, options: FlowOptions = {}) {
  const who = await stranger();
  const reply = await connectByOAuth(who.person.at, provider, { ...options, brand: who.brand });
  expect(reply.status, reply.text).toBe(200);
  return { ...who, id: String(reply.body.id) };
}

const tested = async (person: Person, provider: string, brand?: string) =>
  (await person.at.post(`/api/connectors/${provider}/test`, brand === undefined ? {} : { brand })).body;

const textOf = ({ method, host, path }: Call) => `${method} ${host}${path}`;

/** What lives at the provider and neither stands in a living row nor is on its way to its end. */
const loose = async (provider: string) => looseOf(aliveAt(world, provider), await heldOf(world, provider));

/** What is on its way to its end is asked for again. */
async function minutesPass(): Promise<void> {
  await sql(world, `update revocations set next_attempt_at = now() - interval '1 minute'`);
  await fireCron(world);
}

/** Asks until it is so; else says what it is instead. */
const becomes = (look: () => unknown, expected: unknown) =>
  vi.waitFor(async () => expect(await look()).toEqual(expected), { timeout: 4_000, interval: 50 });

describe('never again:', () => {
  const endings = [
    {
      title: 'a stranger’s sign-in whose probe answers 500 uninstalls Slack’s app where another team lives',
      provider: 'slack',
      flow: { account: 'Acme' },
      fault: { match: 'auth\\.test', respond: { status: 500 } },
      ending: /apps\.uninstall|auth\.revoke/,
    },
    {
      title:
        'a stranger’s sign-in whose probe answers 429 takes Meta’s permissions back where another team lives',
      provider: 'meta',
      flow: { account: 'Nora Lind' },
      fault: { match: '^GET .*/(debug_token|me)', respond: { status: 429, body: '{}' } },
      ending: /^DELETE .*\/permissions/,
    },
    {
      title:
        'a stranger’s sign-in whose probe gets no answer revokes Google’s grant where another team lives',
      provider: 'google_ads',
      flow: { account: 'ada@acme.example' },
      fault: { match: 'googleads\\.googleapis\\.com', drop: 'before' as const },
      ending: /\/revoke$/,
    },
    {
      title: 'a box that a stranger leaves unticked at Google revokes the grant where another team lives',
      provider: 'google_ads',
      flow: { account: 'ada@acme.example', scopes: [] },
      ending: /\/revoke$/,
    },
  ];

  test.each(endings)('$title', async ({ provider, flow, fault, ending }) => {
    const there = await connected(provider, { account: flow.account });
    const asker = await stranger();
    world.gateway.calls.length = 0;
    if (fault) world.gateway.misbehave({ provider, times: 9, ...fault });
    const reply = await connectByOAuth(asker.person.at, provider, { ...flow, brand: asker.brand });
    expect(reply.status, reply.text).toBeGreaterThanOrEqual(400);
    const ended = world.gateway.calls.map(textOf).filter((text) => ending.test(text));
    world.reset();

    expect.soft(ended, 'what ends the grant').toEqual([]);
    expect(await tested(there.person, provider, there.brand)).toMatchObject({ status: 'connected' });
  });

  test('eleven sign-ins of one brand at GitHub silently end another team’s connection', async () => {
    const there = await connected('github', { account: 'octocat' });
    const asker = await stranger();
    for (let time = 0; time < 11; time += 1) {
      const flow = { account: 'octocat', brand: asker.brand };
      expect((await connectByOAuth(asker.person.at, 'github', flow)).status).toBe(200);
    }
    expect(await tested(asker.person, 'github', asker.brand)).toMatchObject({ status: 'connected' });
    expect(await tested(there.person, 'github', there.brand)).toMatchObject({ status: 'connected' });
  });

  test('the eleventh brand that a person signs in for at GitHub silently ends the first', async () => {
    const team = await newTeam(world);
    const person = await newPerson(world, { teams: [team.id] });
    const made = await sql(
      world,
      `insert into brands (team_id, name) select $1, 'B' || n from generate_series(1, 12) n returning id`,
      [team.id],
    );
    const brands = made.map(({ id }) => String(id));
    for (const brand of brands) {
      expect((await connectByOAuth(person.at, 'github', { account: 'octocat', brand })).status).toBe(200);
    }
    // One that is tested while it goes on with a newer token is to be tested again.
    await quiet(world);
    const statuses: unknown[] = [];
    for (const brand of brands) statuses.push((await tested(person, 'github', brand)).status);
    expect(statuses).toEqual(brands.map(() => 'connected'));
  });

  test('the token that a second sign-in at GitHub takes the place of is never ended', async () => {
    const { person, brand } = await connected('github', { account: 'octocat' });
    const [first] = aliveAt(world, 'github');
    const again = await connectByOAuth(person.at, 'github', { account: 'octocat', brand });
    expect(again.status, again.text).toBe(200);
    await minutesPass();
    await becomes(() => aliveAt(world, 'github').some(({ token }) => token === first?.token), false);
    expect(await tested(person, 'github', brand)).toMatchObject({ status: 'connected' });
  });

  test('a token that a second sign-in at TikTok takes the place of outlives a disconnect that says revoked', async () => {
    const { person, brand } = await connected('tiktok', { account: 'ads@kettle.example' });
    const again = await connectByOAuth(person.at, 'tiktok', { account: 'ads@kettle.example', brand });
    expect(again.status, again.text).toBe(200);
    await minutesPass();
    await until(async () => ((await pending()) === 0 ? true : undefined));
    const reply = await person.at.delete('/api/connectors/tiktok', { brand });
    expect(reply.body).toMatchObject({ revocation: 'revoked' });
    expect(aliveAt(world, 'tiktok'), 'what lives after it').toHaveLength(0);
  });

  describe('what an exchange has brought before it fails is neither ended nor told:', () => {
    /** A sign-in on the grant of somebody who lives, which is to fail in its exchange. */
    async function failing(
      provider: string,
      account: string,
      signIn: (who: { person: Person; brand: string }) => Promise<Reply>,
    ): Promise<void> {
      const there = await connected(provider, { account });
      const before = await loose(provider);
      const logs = world.logs.length;
      const reply = await signIn(await stranger());
      expect(reply.status, reply.text).toBe(502);
      oddType = undefined;
      world.reset();
      const isLoud = () =>
        world.logs.slice(logs).some((line) => line.includes('"event":"token_not_discarded"'));
      const left = async () => (await loose(provider)).filter((token) => !before.includes(token)).length;
      await becomes(async () => (isLoud() ? 0 : left()), 0);
      expect(await tested(there.person, provider, there.brand)).toMatchObject({ status: 'connected' });
    }

    test('Google’s access token without a refresh token', () =>
      failing('google_ads', 'ada@acme.example', async ({ person, brand }) => {
        const asked = await authorize(person.at, 'google_ads', { brand });
        const online = altered(asked, { access_type: undefined, prompt: undefined });
        return present(person.at, await consent(online, { account: 'ada@acme.example' }));
      }));

    test('Meta’s first token, where it cannot be exchanged for a longer one', () =>
      failing('meta', 'Nora Lind', ({ person, brand }) => {
        let exchanges = 0;
        world.gateway.decide(({ path }) => {
          if (!path.endsWith('/oauth/access_token')) return undefined;
          exchanges += 1;
          return exchanges === 2 ? { respond: { status: 500, body: '{}' } } : undefined;
        });
        return connectByOAuth(person.at, 'meta', { account: 'Nora Lind', brand });
      }));

    test('GitHub’s token of an odd type', () =>
      failing('github', 'octocat', ({ person, brand }) => {
        oddType = 'mac';
        return connectByOAuth(person.at, 'github', { account: 'octocat', brand });
      }));

    test('Slack’s tokens of an odd type', async () => {
      world.store('slack').set('settings.rotation', true);
      await failing('slack', 'Acme', ({ person, brand }) => {
        oddType = 'user';
        return connectByOAuth(person.at, 'slack', { account: 'Acme', brand });
      });
    });
  });

  /** What each provider answers to the request that ends a grant. */
  const confirmations: [provider: string, account: string, ending: RegExp, status: number, body: string][] = [
    ['shopify', '', /^DELETE .*\/api_permissions\/current\.json$/, 200, '{}'],
    ['meta', 'Nora Lind', /^DELETE .*\/permissions$/, 200, '{"success":true}'],
    ['google_ads', 'ada@acme.example', /^POST .*\/revoke$/, 200, '{}'],
    ['tiktok', 'ads@kettle.example', /^POST .*\/revoke_token\/$/, 200, '{"code":0,"message":"OK","data":{}}'],
    ['slack', 'Acme', /^POST .*\/(apps\.uninstall|auth\.revoke)$/, 200, '{"ok":true,"revoked":true}'],
    ['github', 'octocat', /^DELETE .*\/(grant|token)$/, 204, ''],
  ];

  test.each(confirmations)(
    'a disconnect says revoked where %s answers so and goes on accepting the token',
    async (provider, account, ending, status, body) => {
      const { person, brand } = await connected(provider, account === '' ? {} : { account });
      world.gateway.decide((call) =>
        ending.test(textOf(call))
          ? {
              respond: {
                status,
                ...(body !== '' && { body }),
                headers: { 'content-type': 'application/json' },
              },
            }
          : undefined,
      );
      const reply = await person.at.delete(`/api/connectors/${provider}`, { brand });
      const alive = aliveAt(world, provider).length;
      expect([reply.status, alive > 0], reply.text).toEqual([200, true]);
      expect(reply.body).toMatchObject({ revocation: 'pending' });
      expect(await pending()).toBeGreaterThan(0);

      // It is asked again, and this time the provider does what it says.
      world.reset();
      await minutesPass();
      await becomes(() => aliveAt(world, provider).length, 0);
      await becomes(pending, 0);
    },
  );
});

/** How many ends are still to come. */
async function pending(): Promise<number> {
  return (await sql(world, 'select id from revocations')).length;
}
