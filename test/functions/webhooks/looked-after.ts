import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { fireCron } from '../../support/cron.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import type { TestWorld } from '../../support/open-world.ts';
import { newPerson, type Person } from '../../support/people.ts';
import { sql } from '../../support/sql.ts';
import { until } from '../../support/trips.ts';
import type { Hook } from '../../world/providers/github/hooks.ts';
import { githubAppSettings } from '../../world/providers/github.ts';
import { shopifySubscriptions } from '../../world/providers/shopify.ts';
import type { WebhookEndpoint } from '../../world/providers/stripe/endpoint-book.ts';
import type { Delivered, IssuedKey } from '../../world/simulator.ts';

/** A connection's webhooks as their row has them. */
export interface WebhooksRow {
  status: 'active' | 'failed' | 'none';
  error: string | null;
  registered: { id: string; target?: string }[];
  watched: string[];
  routes: string[];
  secret: Buffer | null;
  version: number;
  failures: number;
}

export async function rowOf(world: TestWorld, id: string): Promise<WebhooksRow> {
  const [row] = await sql(world, 'select * from webhooks where connection_id = $1', [id]);
  return row as unknown as WebhooksRow;
}

/** Whether a connection's webhooks are due to be looked after. */
export async function isDue(world: TestWorld, id: string): Promise<boolean> {
  const due = 'select from webhooks where connection_id = $1 and check_at <= now()';
  return (await sql(world, due, [id])).length > 0;
}

/** Makes a connection's webhooks due, fires the cron, and gives the row once they were looked after. */
export async function lookedAfter(world: TestWorld, id: string): Promise<WebhooksRow> {
  await sql(world, `update webhooks set check_at = now() - interval '1 second' where connection_id = $1`, [
    id,
  ]);
  return lookedAfterByItself(world, id);
}

/** The same for one that must be due already. */
export async function lookedAfterByItself(world: TestWorld, id: string): Promise<WebhooksRow> {
  expect(await isDue(world, id), 'whether it is due').toBe(true);
  await fireCron(world, 'webhooks');
  return until(async () => {
    const done = 'select * from webhooks where connection_id = $1 and lease_id is null and check_at > now()';
    const [row] = await sql(world, done, [id]);
    return row as unknown as WebhooksRow | undefined;
  });
}

/** The types of all that somebody is told, oldest first; what is youngest may not be in their feed yet. */
export async function typesOf(world: TestWorld, { id }: Person): Promise<string[]> {
  const rows = await sql(
    world,
    `select type from events where user_id = $1 and type <> '' and status <> 'kept' order by written_in, id`,
    [id],
  );
  return rows.map(({ type }) => String(type));
}

/** Lets something happen at a provider; gives the deliveries of a connection, and of the app as a whole. */
export async function happen(
  world: TestWorld,
  provider: string,
  event: string,
  { to, ...options }: Record<string, string> = {},
): Promise<Delivered[]> {
  const sent = (await world.gateway.simulator(provider).happen?.({ event, ...options })) ?? [];
  return sent.filter(({ url }) => to === undefined || url.endsWith(to));
}

/** A Stripe account that nobody else has; one account takes sixteen endpoints. */
export const ownAccount = () => ({ accountId: `acct_${randomBytes(8).toString('hex')}` });

export const ownShop = () => `shop-${randomBytes(6).toString('hex')}.myshopify.com`;

/** Somebody new who has connected Stripe; `key` is what they pasted. */
export async function withStripe(
  world: TestWorld,
  options: Record<string, string> = ownAccount(),
): Promise<{ person: Person; key: IssuedKey; id: string; webhooks: unknown }> {
  const person = await newPerson(world);
  const key = issueKey(world, 'stripe', options);
  const reply = await connect(person.at, 'stripe', key);
  expect(reply.status, reply.text).toBe(201);
  return { person, key, id: String(reply.body.id), webhooks: reply.body.webhooks };
}

/** Somebody new who has installed the app in a shop. */
export async function withShop(
  world: TestWorld,
  shop = ownShop(),
): Promise<{ person: Person; shop: string; id: string; webhooks: unknown }> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'shopify', { query: { shop } });
  expect(reply.status, reply.text).toBe(200);
  return { person, shop, id: String(reply.body.id), webhooks: reply.body.webhooks };
}

/** Somebody new who has signed in to GitHub, and has the repositories watched that are named. */
export async function withGithub(
  world: TestWorld,
  repositories: string[] = [],
  account = 'octocat',
): Promise<{ person: Person; id: string; webhooks: unknown }> {
  const person = await newPerson(world);
  const reply = await connectByOAuth(person.at, 'github', { account });
  expect(reply.status, reply.text).toBe(200);
  if (repositories.length > 0) {
    const put = await watch(person, repositories);
    expect([put.status, put.body.error], put.text).toEqual([200, null]);
  }
  return { person, id: String(reply.body.id), webhooks: reply.body.webhooks };
}

export const REPOSITORIES = '/api/connectors/github/repositories';

export const watch = ({ at }: Person, repositories: unknown) =>
  at.put(REPOSITORIES, { body: { repositories } });

/** What sets a world up with a GitHub App. */
export const githubAppEnv = () =>
  Object.fromEntries(Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]));

/** What stands at Stripe for a connection. */
export const endpointsOf = (world: TestWorld, id: string): WebhookEndpoint[] =>
  world
    .store('stripe')
    .list<{ endpoint: WebhookEndpoint }>('endpoint/')
    .map(({ endpoint }) => endpoint)
    .filter(({ url }) => url.endsWith(id));

/** What stands at Shopify for a connection. */
export const subscriptionsOf = (world: TestWorld, id: string) =>
  shopifySubscriptions(world.store('shopify')).filter(({ uri }) => uri.endsWith(id));

/** What stands at GitHub for a connection; its answers to pings come when they come. */
export const hooksOf = (world: TestWorld, id: string): Omit<Hook, 'lastResponse'>[] =>
  world
    .store('github')
    .list<Hook>('hook/')
    .filter(({ config }) => config.url.endsWith(id))
    .map(({ lastResponse: _, ...hook }) => hook);

/** How many lines say that webhooks of a connection stand at its provider for good. */
export const leftOf = (world: TestWorld, id: string): number =>
  world.logs.filter((line) => line.includes('"event":"webhooks_left"') && line.includes(id)).length;
