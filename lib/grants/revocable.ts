import { type RawBuilder, sql } from 'kysely';
import { providers } from '../../providers/index.ts';
import type { Config, Provider } from '../../providers/provider.ts';

/** SQL: whether we can end what a row of `connections` or `revocations` holds; `config` is its column. */
export function isRevocable({ revocation }: Provider, config: RawBuilder<unknown>): RawBuilder<boolean> {
  if (!('grant' in revocation)) return sql<boolean>`false`;
  return revocation.only === undefined
    ? sql<boolean>`true`
    : sql<boolean>`jsonb_exists(${config}, ${revocation.only})`;
}

/** The same of a config that is at hand. */
export function canBeEnded({ revocation }: Provider, config: Config): boolean {
  if (!('grant' in revocation)) return false;
  return revocation.only === undefined || config[revocation.only] !== undefined;
}

/** Whether a grant is of one client of ours alone; of what it spans, another's tokens live on it, too. */
export function isOfClient({ auth }: Provider): boolean {
  return auth.type !== 'oauth' || !auth.grant.spansClients;
}

const spanning = providers.filter((provider: Provider) => !isOfClient(provider)).map(({ id }) => id);

/** SQL: of which client those must be who live on the grant of a row; null where that is one with all of them. */
export function clientOfGrant(alias: string): RawBuilder<string | null> {
  return sql`case when ${sql.ref(`${alias}.provider`)} = any (${spanning}::text[]) then null else ${sql.ref(`${alias}.client_id`)} end`;
}

/** Whether each connection has an access token of its own, which is made from the key that others may have pasted, too. */
export function hasOwnToken({ auth }: Provider): boolean {
  return auth.type !== 'oauth' && auth.grant !== undefined;
}

const ofKeys = providers.filter(hasOwnToken).map(({ id }) => id as string);

/** The same of a provider's id. */
export function hasTokensOfKey(providerId: string): boolean {
  return ofKeys.includes(providerId);
}

/** Whether a sign-in does something to the tokens of others on its grant. */
export function changesOthers({ auth }: Provider): boolean {
  return (
    auth.type === 'oauth' && (auth.grant.atMost !== undefined || auth.grant.anotherSignIn === 'replaces')
  );
}

/** Whether the provider ends a single token, and leaves the rest of its grant alone. */
export function endsTokens({ revocation }: Provider): boolean {
  return 'grant' in revocation && revocation.token !== undefined;
}
