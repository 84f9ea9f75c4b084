import type { Binding } from '../envelope.ts';

/** In the place of a connection and its user, whom a tenant's agent does not have. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';
export const AGENT = 'agent';

/** What an agent's secret is bound to: what it signs goes to that address alone. */
export function agentBinding(tenantId: string, url: string): Binding {
  const whose = { userId: NOBODY, connectionId: NOBODY, brandId: null };
  return { tenantId, ...whose, provider: AGENT, version: 1, config: { url }, field: 'webhook_secret' };
}
