import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../../lib/connections/snapshot.ts';
import { openServices } from '../../../lib/services.ts';
import { githubTokens } from '../../world/providers/github.ts';
import { googleAdsTokens } from '../../world/providers/google-ads.ts';
import { metaTokens } from '../../world/providers/meta.ts';
import { shopifyTokens } from '../../world/providers/shopify.ts';
import { slackTokens } from '../../world/providers/slack.ts';
import { tiktokTokens } from '../../world/providers/tiktok.ts';
import type { World } from '../../world/world.ts';
import type { StagedWorld } from '../stage.ts';

/** A token that a provider still accepts, by the provider's own books. */
export interface Alive {
  token: string;
  /** All that the provider ends with it, where it ends no single token. */
  endsWith?: string;
}

const books: Record<string, (world: World, now: number) => Alive[]> = {
  shopify: (world, now) => [
    ...living(shopifyTokens(world.store('shopify'), now)),
    ...world
      .store('shopify')
      .list<{ token: string; state: string }>('refresh/')
      .filter(({ state }) => state === 'active')
      .map(({ token }) => ({ token })),
  ],
  meta: (world, now) =>
    living(metaTokens(world.store('meta'), now)).map(({ token, name }) => ({ token, endsWith: name })),
  google_ads: (world, now) =>
    living(googleAdsTokens(world.store('google_ads'), now)).map(({ token, email }) => ({
      token,
      endsWith: email,
    })),
  tiktok: (world) => living(tiktokTokens(world.store('tiktok'))),
  slack: (world, now) => living(slackTokens(world.store('slack'), now)),
  github: (world, now) => living(githubTokens(world.store('github'), now)),
};

const living = <Token extends { alive: boolean }>(tokens: Token[]) => tokens.filter(({ alive }) => alive);

/** What lives at a provider. */
export function aliveAt(world: World, provider: string): Alive[] {
  return books[provider]?.(world, Date.now()) ?? [];
}

/** The tokens that stand in the rows of living connections, and those on their way to their end. */
export interface Held {
  living: Set<string>;
  ending: Set<string>;
}

/** What the Worker holds of a provider's tokens, opened with the Worker's own code. */
export async function heldOf(world: StagedWorld, provider: string): Promise<Held> {
  const services = openServices(world.bindings as unknown as Env);
  const rows = await services.postgres.rows(sql<SealedRow & { is_ending: boolean }>`
    select held.*, ${dataKeyColumns} from (
      select id as connection_id, user_id, brand_id, tenant_id, provider, version, config, data_key_id, credential,
        refresh_token, false as is_ending
      from connections where status = 'connected' and credential is not null
      union all
      select connection_id, user_id, brand_id, tenant_id, provider, version, config, data_key_id, credential, refresh_token,
        true
      from revocations
    ) held left join data_keys k on k.id = held.data_key_id where held.provider = ${provider}`);
  const held: Held = { living: new Set(), ending: new Set() };
  for (const row of rows) {
    const tokens = row.is_ending ? held.ending : held.living;
    tokens.add(await openCredential(services, row));
    if (row.refresh_token) tokens.add(await openCredential(services, row, 'refresh_token'));
  }
  return held;
}

/** What lives at the provider and nobody here holds: neither a living row nor a pending end. */
export function looseOf(alive: readonly Alive[], { living, ending }: Held): string[] {
  const endings = new Set(alive.filter(({ token }) => ending.has(token)).map((each) => each.endsWith));
  return alive
    .filter(({ token, endsWith }) => {
      const isEnding = ending.has(token) || (endsWith !== undefined && endings.has(endsWith));
      return !isEnding && !living.has(token);
    })
    .map(({ token }) => token);
}

/** Nobody is connected, and none of these providers has ever given a token. */
export async function forgetAll(world: StagedWorld, providers = Object.keys(books)): Promise<void> {
  for (const table of ['webhooks', 'revocations', 'connections', 'provider_states', 'grants']) {
    const [row] = await world.sql('select to_regclass($1) is not null as is_there', [table]);
    if (row?.is_there === true) await world.sql(`delete from ${table}`);
  }
  for (const provider of providers) {
    const store = world.store(provider);
    for (const kind of ['token', 'refresh']) {
      for (const { token } of store.list<{ token?: string }>(`${kind}/`)) {
        if (token !== undefined) store.delete(`${kind}/${token}`);
      }
    }
  }
}
