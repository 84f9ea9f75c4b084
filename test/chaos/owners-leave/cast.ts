import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../../lib/connections/snapshot.ts';
import { setAgent } from '../../../lib/events/set-agent.ts';
import { openServices } from '../../../lib/services.ts';
import { Client, type Reply } from '../../support/client.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import type { StagedWorld } from '../stage.ts';
import type { Concerned, Way } from './ways.ts';

export interface Member {
  id: string;
  at: Client;
}

/** An owner, their team, another team, and somebody of each who watches. */
export interface Household {
  way: Way;
  ids: Concerned;
  owner: Member;
  mates: { from: Member; to: Member };
  /** Of nobody's team, with connections on the same grants as some of the owner's. */
  other: Member;
  connections: Placed[];
}

/** A connection of the owner's. */
export interface Placed {
  id: string;
  household: Household;
  provider: string;
  /** Its brand; none in the own scope. */
  brand: string | undefined;
  /** Where it is at the provider: a shop, an account, a repository. */
  place: string;
  /** Somebody else has connected the same. */
  isShared: boolean;
  /** What it holds before anything happens. */
  secrets: string[];
}

/** Which agents the teams have: all of the first ones the one, all of the others the other. */
export interface Ears {
  from: { url: string };
  to: { url: string };
  secret: string;
}

/** Of GitHub's two people the one is for those who leave, so that the grant must end. */
const loginOf = ({ reason }: Way) => (reason === null ? 'hubot' : 'octocat');
const repositories: Record<string, string> = { octocat: 'octocat/Hello-World', hubot: 'hubot/scripts' };

async function newMember(world: StagedWorld, teams: readonly string[] = []): Promise<Member> {
  const token = `session-${randomBytes(24).toString('base64url')}`;
  const hash = createHash('sha256').update(token).digest('hex');
  const [row] = await world.sql(
    `with person as (insert into users (name) values ('Somebody') returning id),
     member as (insert into team_members (team_id, user_id) select unnest($2::uuid[]), id from person)
     insert into sessions (id, user_id, expires_at) select $1, id, now() + interval '1 day' from person returning user_id`,
    [hash, teams],
  );
  return { id: String(row?.user_id), at: new Client(world, token) };
}

/** A team with an agent of its own. */
export async function newTeam(world: StagedWorld, agent: { url: string; secret: string }): Promise<string> {
  const [team] = await world.sql(`insert into teams (name) values ('A team') returning id`);
  const id = String(team?.id);
  const { postgres, kms } = openServices(world.bindings as unknown as Env);
  await setAgent({ postgres, kms, say: () => undefined }, id, agent);
  return id;
}

export async function newBrand(world: StagedWorld, team: string): Promise<string> {
  const [brand] = await world.sql(`insert into brands (team_id, name) values ($1, 'A brand') returning id`, [
    team,
  ]);
  return String(brand?.id);
}

/** Everybody of a household, with what they have connected by then. */
export async function settle(
  world: StagedWorld,
  way: Way,
  { ears, providers, isApp }: { ears: Ears; providers: readonly string[]; isApp: boolean },
): Promise<Household> {
  const from = await newTeam(world, { ...ears.from, secret: ears.secret });
  const to = await newTeam(world, { ...ears.to, secret: ears.secret });
  const owner = await newMember(world, way.isInBoth ? [from, to] : [from]);
  const household: Household = {
    way,
    ids: { owner: owner.id, from, to },
    owner,
    mates: { from: await newMember(world, [from]), to: await newMember(world, [to]) },
    other: await newMember(world),
    connections: [],
  };
  const brand = way.isOwnScope ? undefined : await newBrand(world, from);
  const place = (provider: string, reply: Reply, where: string, more: Partial<Placed> = {}) => {
    if (reply.status >= 300) throw new Error(`${way.name}, ${provider}: ${reply.text}`);
    const id = String(reply.body.id);
    const usual = { brand, isShared: false, secrets: [] };
    household.connections.push({ id, household, provider, place: where, ...usual, ...more });
  };
  if (providers.includes('shopify')) {
    const shop = newShop();
    place('shopify', await withShop(owner, shop, brand), shop);
    if (brand !== undefined) {
      const [both, second] = [newShop(), await newBrand(world, from)];
      await withShop(household.other, both);
      place('shopify', await withShop(owner, both, second), both, { brand: second, isShared: true });
    }
  }
  if (providers.includes('stripe')) {
    const accountId = `acct_${randomBytes(8).toString('hex')}`;
    const key = issueKey(world, 'stripe', { accountId });
    const reply = await connect(owner.at, 'stripe', key, brand === undefined ? {} : { brand });
    place('stripe', reply, accountId);
  }
  if (providers.includes('github')) {
    const account = loginOf(way);
    const inBrand = brand === undefined ? {} : { brand };
    const repository = repositories[account] ?? '';
    place('github', await connectByOAuth(owner.at, 'github', { account, ...inBrand }), repository);
    if (!isApp) {
      const watched = { ...inBrand, body: { repositories: [repository] } };
      const put = await owner.at.put('/api/connectors/github/repositories', watched);
      if (put.body.error !== null) throw new Error(`${way.name}, github: ${put.text}`);
    }
  }
  return household;
}

const newShop = () => `shop-${randomBytes(6).toString('hex')}.myshopify.com`;

function withShop({ at }: Member, shop: string, brand?: string): Promise<Reply> {
  return connectByOAuth(at, 'shopify', { ...(brand !== undefined && { brand }), query: { shop } });
}

/** Learns what connections hold, opened with the Worker's own code. */
export async function learnSecrets(world: StagedWorld, connections: readonly Placed[]): Promise<void> {
  const services = openServices(world.bindings as unknown as Env);
  const rows = await services.postgres.rows(sql<SealedRow>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id where c.credential is not null`);
  for (const row of rows) {
    const placed = connections.find(({ id }) => id === row.connection_id);
    placed?.secrets.push(await openCredential(services, row));
    if (row.refresh_token) placed?.secrets.push(await openCredential(services, row, 'refresh_token'));
  }
}

/** Lets something happen at each place, and sends the webhooks of it. */
export async function somethingHappens(world: StagedWorld, connections: readonly Placed[]): Promise<void> {
  const events: Record<string, string> = {
    shopify: 'orders/create',
    stripe: 'invoice.created',
    github: 'push',
  };
  const places = new Map(connections.map((each) => [each.place, each.provider]));
  for (const [place, provider] of places) {
    const where = provider === 'github' ? { repository: place } : { account: place };
    await world.gateway.simulator(provider).happen?.({ event: events[provider] ?? '', ...where });
  }
}

/** Whether it has no owner any more once that has happened which happens to its household. */
export const isGone = ({ household }: Placed) => household.way.reason !== null;
export const nameOf = ({ household, provider, isShared }: Placed) =>
  `${household.way.name}, ${provider}${isShared ? ' on a grant with others' : ''}`;
