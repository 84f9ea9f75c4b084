import { findProvider, providers } from '../providers/index.ts';
import type { Field, OAuth2, OAuthClient, Provider } from '../providers/provider.ts';
import { oauthClient } from './config.ts';
import { Problem } from './problem.ts';

/** The provider of an id. Throws `unknown_provider`. */
export function requireProvider(id: string): Provider {
  const provider = findProvider(id);
  if (!provider)
    throw new Problem('unknown_provider', 'There is no connector of that name; see GET /api/connectors.');
  return provider;
}

/** A provider that connects by OAuth, and our client there. Throws `wrong_auth_method`, `provider_not_configured`. */
export function requireOAuth(
  env: object,
  id: string,
): { provider: Provider; auth: OAuth2; client: OAuthClient } {
  const provider = requireProvider(id);
  if (provider.auth.type !== 'oauth') {
    throw new Problem(
      'wrong_auth_method',
      `${provider.name} connects with a key: POST /api/connectors/connect.`,
    );
  }
  const client = oauthClient(env, id);
  if (!client) {
    throw new Problem(
      'provider_not_configured',
      `${provider.name} is not set up here yet. Ask whoever runs Reeve.`,
    );
  }
  return { provider, auth: provider.auth, client };
}

/** The catalogue entry of every provider, in the registry's order. */
export function catalogue(env: object) {
  return providers.map((provider) => ({
    provider: provider.id,
    name: provider.name,
    category: provider.category,
    auth: provider.auth.type,
    configured: provider.auth.type !== 'oauth' || oauthClient(env, provider.id) !== undefined,
    fields: fieldsOf(provider),
    scopes: provider.auth.type === 'oauth' ? provider.auth.scopes : [],
    tools: provider.tools,
    capabilities: provider.capabilities,
    webhook_events: provider.webhookEvents,
    disconnect_help: 'unsupported' in provider.revocation ? provider.revocation.unsupported : null,
    docs_url: provider.docs,
  }));
}

function fieldsOf(provider: Provider) {
  const key = provider.auth.type === 'oauth' ? [] : [entry(provider.auth.key, true)];
  return [...provider.config.map((field) => entry(field, false)), ...key];
}

function entry({ name, label, required, pattern, help }: Field, secret: boolean) {
  return { name, label, secret, required, pattern, help };
}
