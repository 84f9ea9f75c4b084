import type { Binding } from '../envelope.ts';

/** In the place of a connection and its user, whom a tenant's agent does not have. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';
export const AGENT = 'agent';

/** What an agent's secret is bound to. */
export function agentBinding(tenantId: string): Binding {
  const whose = { userId: NOBODY, connectionId: NOBODY, brandId: null };
  return { tenantId, ...whose, provider: AGENT, version: 1, field: 'webhook_secret' };
}
