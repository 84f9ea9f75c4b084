import { sha256Hex } from '../bytes.ts';
import { type Config, isSecure } from '../config.ts';

/**
 * The cookie that binds a flow to the browser that began it; one a flow, so that two tabs do not disturb each
 * other. `__Host-` wherever we are reached over https (RFC 6265bis section 4.1.3.2).
 */
export async function bindingCookieName(config: Config, state: string): Promise<string> {
  return `${isSecure(config) ? '__Host-' : ''}reeve-flow-${(await sha256Hex(state)).slice(0, 16)}`;
}
