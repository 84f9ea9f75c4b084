import { hmacSha256, toHex, toUtf8 } from '../bytes.ts';
import type { Services } from '../services.ts';

/**
 * What two connections have in common whose access ends together. Where a person signs in that is the account. A
 * key is a grant of its own: its keyed hash tells whether two are the same, and nothing else.
 */
export async function keyGrantId({ config }: Services, providerId: string, key: string): Promise<string> {
  return toHex(await hmacSha256(toUtf8(config.STATE_KEY), `key ${providerId} ${key}`));
}
