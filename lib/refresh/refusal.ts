import { sql } from 'kysely';
import type { Provider } from '../../providers/provider.ts';
import { clientIdOf, findClient } from '../catalog.ts';
import { isLiving } from '../connections/living.ts';
import { openCredential } from '../connections/sealed.ts';
import { verify } from '../connections/verify.ts';
import { databaseNow } from '../database-clock.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Claimed, isStillOurs } from './claim.ts';
import { followGrant } from './follow.ts';
import { askForTokens, type Outcome } from './outcome.ts';

/**
 * What the provider's answer to a refresh means once a refusal in it has been looked into: a token before may still be
 * taken, another sign-in may have others, or our client is refused by one account alone. `isFollowing` where the tokens
 * are those of another connection on the grant.
 */
export async function lookInto(
  services: Services,
  provider: Provider,
  row: Claimed,
  { answered, credential }: { answered: Outcome; credential: string },
): Promise<{ outcome: Outcome; isFollowing: boolean }> {
  const is = (outcome: Outcome) => ({ outcome, isFollowing: false });
  let outcome = answered;
  if (outcome.outcome === 'dead' && (await isStillOurs(services, row))) {
    outcome = (await askWithPrevious(services, provider, row)) ?? outcome;
    if (outcome.outcome === 'dead') {
      const followed = await followGrant(services, provider, row);
      if (followed.is === 'unknown') return is({ outcome: 'down', reason: 'nobody tells what to follow' });
      if (followed.is === 'tokens')
        return { outcome: { outcome: 'renewed', tokens: followed.tokens }, isFollowing: true };
    }
  }
  if (outcome.outcome !== 'client_refused') return is(outcome);
  if (await isCutOff(services, provider, row, credential)) return is({ outcome: 'dead', reason: 'cut_off' });
  if (await isOfFormerClient(services, provider, row))
    return is({ outcome: 'dead', reason: 'former_client' });
  return is(outcome);
}

/**
 * Whether a refusal of our client is one account's alone, that has removed it: then the access token that it gave, which
 * lives on for minutes, is refused, too. One that is over says nothing.
 */
async function isCutOff(
  services: Services,
  provider: Provider,
  row: Claimed,
  credential: string,
): Promise<boolean> {
  const client = findClient(services.env, provider);
  const isAccounts = provider.auth.type === 'oauth' && provider.auth.refresh?.isAccounts;
  const isOver = row.expires_at !== null && row.expires_at.getTime() <= databaseNow(row.claimed);
  if (!client || !isAccounts || isOver || row.is_refused) return false;
  try {
    await verify(provider, { credential, config: row.config, client }, services.meter);
    return false;
  } catch (error) {
    if (error instanceof Problem) return error.code === 'invalid_credential';
    throw error;
  }
}

/**
 * Whether a refusal of our client is that of another one than it was connected with, while the new one is in order:
 * whom it has given tokens, it renews them for. A mistake in our settings is nobody's end.
 */
async function isOfFormerClient(services: Services, provider: Provider, row: Claimed): Promise<boolean> {
  const clientId = clientIdOf(services.env, provider);
  if (row.client_id === null || clientId === null || row.client_id === clientId) return false;
  const rows = await services.postgres.rows(sql`
    select o.id from connections o
    where o.provider = ${row.provider} and o.client_id = ${clientId} and o.last_refreshed_at > now() - interval '1 day'
      and ${isLiving('o')} limit 1`);
  return rows.length > 0;
}

/**
 * Asks once more with the token that the standing one came in place of, where the provider lets that live until its
 * successor has been used.
 */
async function askWithPrevious(
  services: Services,
  provider: Provider,
  row: Claimed,
): Promise<Outcome | undefined> {
  const { auth } = provider;
  const isKept = auth.type === 'oauth' && auth.refresh?.reuse === 'until_successor_used';
  if (!isKept || !row.previous_refresh_token) return undefined;
  try {
    const token = await openCredential(services, row, 'previous_refresh_token');
    return await askForTokens(services, provider, {
      token,
      config: row.config,
      now: databaseNow(row.claimed),
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return undefined;
  }
}
