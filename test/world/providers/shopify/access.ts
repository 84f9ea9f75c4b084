import { GraphQLError } from 'graphql';
import type { Store } from '../../store.ts';
import { holds } from './scopes.ts';

const DENIED = { code: 'ACCESS_DENIED', documentation: 'https://shopify.dev/api/usage/access-scopes' };

/** Refuses a field for want of a scope; each of `scopes` is enough. */
export function needScope(field: string, granted: readonly string[], scopes: readonly string[]): void {
  if (scopes.some((scope) => holds(granted, scope))) return;
  const requiredAccess = `${scopes.map((scope) => `\`${scope}\``).join(' or ')} access scope.`;
  const message = `Access denied for ${field} field. Required access: ${requiredAccess}`;
  throw new GraphQLError(message, { extensions: { ...DENIED, requiredAccess } });
}

/** Whether Shopify has approved the app for protected customer data (apps/launch/protected-customer-data). */
export const isApproved = (store: Store) => store.get<boolean>('settings.unapproved') !== true;

/** Refuses a whole type, to an app without that approval. */
export function needApproval(store: Store, type: string): void {
  if (isApproved(store)) return;
  const page = 'https://shopify.dev/docs/apps/launch/protected-customer-data';
  const message = `This app is not approved to access the ${type} object. See ${page} for more details.`;
  throw new GraphQLError(message, { extensions: { ...DENIED, documentation: page } });
}
