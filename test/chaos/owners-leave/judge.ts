import type { Agent } from '../../world/agent.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';
import type { StagedWorld } from '../stage.ts';
import { isGone, nameOf, type Placed } from './cast.ts';
import { type Overheard, usesOf } from './overheard.ts';
import type { Hearing } from './ways.ts';

/** What is not as it must be, a line for each connection of a world. */
export interface Judged {
  gone: Placed[];
  living: Placed[];
  /** Of those that have ended: requests with what they held. */
  uses: string[];
  stored: string[];
  told: string[];
  /** What teams were told that were not to be. */
  strangers: string[];
  /** What has not ended. */
  left: string[];
  reasons: string[];
  /** Of those that live on elsewhere. */
  harmed: string[];
}

/** A connection as it stands, and what it was told. */
export interface Row {
  status: string;
  version: number;
  isEmpty: boolean;
  /** Of its provider's events. */
  pending: number;
  stored: number;
  /** Why it has ended, as often as that was said. */
  reasons: unknown[];
}

export async function rowsOf(world: StagedWorld, connections: readonly Placed[]): Promise<Map<string, Row>> {
  const rows = await world.sql(
    `select c.id, c.status, c.version, c.credential is null and c.refresh_token is null as is_empty,
       count(e.id) filter (where e.topic is not null and e.type <> '' and e.status = 'pending')::integer as pending,
       count(e.id) filter (where e.topic is not null and e.type <> '')::integer as stored,
       coalesce(
         json_agg(e.data::json ->> 'reason') filter (where e.type = 'connection.disconnected'), '[]'
       ) as reasons
     from connections c left join events e on e.connection_id = c.id where c.id = any ($1) group by c.id`,
    [connections.map(({ id }) => id)],
  );
  return new Map(
    rows.map(({ id, status, version, is_empty, pending, stored, reasons }) => [
      String(id),
      {
        status: String(status),
        version: Number(version),
        isEmpty: is_empty === true,
        pending: Number(pending),
        stored: Number(stored),
        reasons: reasons as unknown[],
      },
    ]),
  );
}

/** An event that an agent was told. */
export interface Told {
  id: string;
  type: string;
  connection_id: string;
}

export const toldSince = ({ deliveries }: Agent, since: number) =>
  deliveries.slice(since).map(({ body }) => body as Told);

/** Holds what has become of connections to what had to. */
export function judge(
  world: StagedWorld,
  {
    connections,
    before,
    after,
    since,
    told,
  }: {
    connections: readonly Placed[];
    before: ReadonlyMap<string, Row>;
    after: ReadonlyMap<string, Row>;
    since: readonly Overheard[];
    /** To the first teams, the others, and whoever has no agent of their own. */
    told: readonly Told[][];
  },
): Judged {
  const [gone, living] = [connections.filter(isGone), connections.filter((each) => !isGone(each))];
  const seen: Judged = {
    ...{ gone, living, uses: [], stored: [], told: [], strangers: [], reasons: [], harmed: [] },
    left: leftOf(world, gone, after),
  };
  for (const each of connections) {
    const { hears, reason } = each.household.way;
    const own = told.map((some) => some.filter(({ connection_id }) => connection_id === each.id));
    const [first = [], other = [], rest = []] = own;
    const isHeard = (hearing: Hearing) => (event: Told) =>
      hearing === 'all' || (hearing === 'end' && event.type === 'connection.disconnected');
    const unwanted = [
      ...first.filter((event) => !isHeard(hears.from)(event)),
      ...other.filter((event) => !isHeard(hears.to)(event)),
    ];
    seen.strangers.push(...unwanted.map(({ type }) => `${nameOf(each)}: ${type}`));
    const [was, is] = [before.get(each.id), after.get(each.id)];
    if (!was || !is) throw new Error(`${nameOf(each)} has no row`);
    if (reason === null) {
      const heardBy = hears.to === 'all' ? other : rest;
      const ofProvider = heardBy.filter(({ type }) => type.startsWith(`${each.provider}.`));
      const events = new Set(ofProvider.map(({ id }) => id)).size;
      const isRenewed = each.provider === 'stripe' || is.version > was.version;
      if (is.status !== 'connected' || !isRenewed || is.stored !== 2 || events !== 2)
        seen.harmed.push(
          `${nameOf(each)}: ${is.status}, ${isRenewed ? '' : 'not '}renewed, ${is.stored} of 2 stored, ${events} of 2 told`,
        );
      continue;
    }
    for (const { what } of usesOf(each.secrets, since)) seen.uses.push(`${nameOf(each)}: ${what}`);
    if (is.stored !== was.stored) seen.stored.push(nameOf(each));
    const others = own.flat().filter(({ type }) => type !== 'connection.disconnected');
    seen.told.push(...others.map(({ type }) => `${nameOf(each)}: ${type}`));
    if (JSON.stringify(is.reasons) !== JSON.stringify([reason]))
      seen.reasons.push(`${nameOf(each)}: ${JSON.stringify(is.reasons)}`);
  }
  return seen;
}

/** What has not ended of connections that must have, be it here or at the provider. */
export function leftOf(
  world: StagedWorld,
  connections: readonly Placed[],
  rows: ReadonlyMap<string, Row>,
): string[] {
  const rowsLeft = connections.flatMap((each) => {
    const row = rows.get(each.id);
    return row?.status === 'disconnected' && row.isEmpty ? [] : [`${nameOf(each)}: ${row?.status}`];
  });
  const grantsLeft = grantsOf(world, connections).filter(({ isAlive }) => isAlive);
  return [...rowsLeft, ...grantsLeft.map(({ name }) => `${name}: alive there`)];
}

/** Whether what connections lived on stands at its provider: a shop's tokens, a person's, an endpoint. */
function grantsOf(world: StagedWorld, connections: readonly Placed[]): { name: string; isAlive: boolean }[] {
  const shops = shopifyTokens(world.store('shopify'));
  const people = githubTokens(world.store('github'));
  const endpoints = world.store('stripe').list<{ endpoint: { url: string } }>('endpoint/');
  return connections.map((each) => {
    const isAlive: Record<string, () => boolean> = {
      shopify: () => shops.some(({ shop, alive }) => alive && shop === each.place),
      github: () => people.some(({ login, alive }) => alive && each.place.startsWith(`${login}/`)),
      stripe: () => endpoints.some(({ endpoint }) => endpoint.url.endsWith(each.id)),
    };
    return { name: nameOf(each), isAlive: isAlive[each.provider]?.() === true };
  });
}
