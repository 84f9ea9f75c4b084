import type { Provider } from '../../providers/provider.ts';
import { findClient } from '../catalog.ts';
import { bindingOf } from '../connections/sealed.ts';
import { type DataKeyColumns, toDataKey } from '../connections/snapshot.ts';
import { openDataKey } from '../data-keys.ts';
import { type Binding, EnvelopeError, open } from '../envelope.ts';
import { KmsRefusal } from '../kms.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';
import { importSecret } from './signature.ts';

const imported = new Map<string, Promise<CryptoKey | undefined>>();

/** The keys of the app as a whole, where it signs for all connections alike. */
export async function clientKeys({ env }: Services, provider: Provider): Promise<CryptoKey[] | undefined> {
  const client = findClient(env, provider);
  const secrets = client && provider.webhooks?.clientSecrets?.(client);
  if (!secrets) return undefined;
  const keys = await Promise.all(secrets.map((secret) => (secret === undefined ? undefined : once(secret))));
  return keys.filter((key) => key !== undefined);
}

function once(secret: string): Promise<CryptoKey | undefined> {
  const known = imported.get(secret) ?? importSecret(secret);
  imported.set(secret, known);
  return known;
}

export interface SealedSecret extends DataKeyColumns {
  connection_id: string;
  user_id: string;
  brand_id: string | null;
  tenant_id: string;
  provider: string;
  version: number;
  secret: Uint8Array;
}

/** What a webhook's secret is bound to: it goes nowhere. */
export function secretBinding(row: Omit<SealedSecret, 'secret' | keyof DataKeyColumns>): Binding {
  return bindingOf({ ...row, config: {} }, 'webhook_secret');
}

/** What is sealed of a secret: the one before stands behind it while that is still in use. Neither holds a line break. */
export function textOf(secret: string, former: string | undefined): string {
  return former === undefined ? secret : `${secret}\n${former}`;
}

/** A webhook's secret, and the one before while that is still in use. As `openSecret`. */
export async function openSecrets(services: Services, row: SealedSecret): Promise<[string, string?]> {
  const [secret = '', former] = (await openSecret(services, row)).split('\n');
  return former === undefined ? [secret] : [secret, former];
}

/** Opens a webhook's secret: at most one call to KMS. Throws `unavailable`. */
export async function openSecret({ kms }: Services, row: SealedSecret): Promise<string> {
  const wrapped = toDataKey(row);
  try {
    if (!wrapped) throw new EnvelopeError('its data key is gone');
    const key = await openDataKey(wrapped, kms, Date.now());
    return await open(row.secret, key.key, key.id, secretBinding(row));
  } catch (error) {
    if (!(error instanceof EnvelopeError || error instanceof KmsRefusal)) throw error;
    throw unavailable(`webhook of ${row.connection_id}: envelope ${error.message}`, 60);
  }
}
