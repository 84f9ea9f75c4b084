import type { Config } from '../config.ts';

/** The callback as it is registered at the provider: ours by configuration, never by request. */
export function redirectUri(config: Config, providerId: string): string {
  return new URL(`/api/oauth/${providerId}/callback`, config.PUBLIC_URL).href;
}
