import type { Provider } from '../../providers/provider.ts';
import type { Services } from '../services.ts';

/** Where a provider tells a connection what happens there. */
export function webhookUrl({ config }: Services, { id }: Provider, connectionId: string): string {
  return `${config.PUBLIC_URL}/api/webhooks/${id}/${connectionId}`;
}
