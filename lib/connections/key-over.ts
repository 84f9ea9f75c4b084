import type { Config, Provider } from '../../providers/provider.ts';
import { letGo, park, sealObtained } from '../grants/obtained.ts';
import { endsTokens } from '../grants/revocable.ts';
import { notHeard } from '../grants/revocation.ts';
import { TokenProblem } from '../oauth/token-request.ts';
import { Problem } from '../problem.ts';
import { sendObtained } from '../queue.ts';
import type { Services } from '../services.ts';
import { tokensOfKey } from './key-grant.ts';
import type { ConnectionStatus } from './row.ts';
import { bindingOf, openCredential, openKey, type SealedRow } from './sealed.ts';

type KeyRow = SealedRow & {
  config: Config;
  grant_id: string;
  status: ConnectionStatus;
  has_refresh_token: boolean;
};

/**
 * Whether the key behind a connection that is not renewed any more is still refused: its last token may live on, and
 * says nothing of it. The token that is asked for is not kept: what works again is renewed. Throws what keeps the
 * provider from answering.
 */
export async function isKeyOver(services: Services, provider: Provider, tested: KeyRow): Promise<boolean> {
  const { auth } = provider;
  if (auth.type === 'oauth' || !tested.has_refresh_token || tested.status === 'connected') return false;
  const key = await openCredential(services, tested, 'refresh_token');
  try {
    const { config } = tested;
    const tokens = await tokensOfKey(provider, auth, { key, config, now: Date.now() }, services.meter);
    const given = tokens && { accessToken: tokens.credential, expiresIn: tokens.expiresIn };
    if (given) await discard(services, provider, tested, given);
    return false;
  } catch (error) {
    if (error instanceof TokenProblem && error.brought)
      await discard(services, provider, tested, error.brought);
    if (error instanceof TokenProblem && error.isUnheard && endsTokens(provider))
      notHeard(provider.id, tested.connection_id);
    if (error instanceof Problem && error.code === 'invalid_credential') return true;
    throw error;
  }
}

async function discard(
  services: Services,
  provider: Provider,
  tested: KeyRow,
  { accessToken, expiresIn }: { accessToken: string; expiresIn?: number | undefined },
): Promise<void> {
  if (!endsTokens(provider)) return;
  const sealed = await sealObtained(
    services,
    provider,
    { accessToken, ...(expiresIn !== undefined && { expiresIn }) },
    {
      key: await openKey(services, tested),
      binding: { ...bindingOf(tested, 'credential'), version: tested.version + 1 },
      now: Date.now(),
      grantId: tested.grant_id,
    },
  );
  await park(services, sealed, sendObtained);
  await letGo(services, provider, sealed.id);
}
