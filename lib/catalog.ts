import { alternatives, providers } from '../providers/index.ts';
import type { Field, OAuth2, OAuthClient, Provider } from '../providers/provider.ts';
import { providerSettings } from './config.ts';
import { Problem } from './problem.ts';

const byId = new Map(providers.map((provider) => [provider.id, provider]));

const NO_CLIENT: OAuthClient = { id: '', secret: '', settings: {} };

/** The provider of that id as this deployment is set up to meet it, or undefined. */
export function findProvider(env: object, id: string): Provider | undefined {
  const usual = byId.get(id);
  return usual && asSetUp(env, usual);
}

/** The provider of an id. Throws `unknown_provider`. */
export function requireProvider(env: object, id: string): Provider {
  const provider = findProvider(env, id);
  if (!provider)
    throw new Problem('unknown_provider', 'There is no connector of that name; see GET /api/connectors.');
  return provider;
}

/** The agent tools that a connection of that provider enables. */
export function toolsOf(id: string): string[] {
  return byId.get(id)?.tools ?? [];
}

/** The system events that a provider's webhooks become. */
export function webhookEventsOf(id: string): string[] {
  return byId.get(id)?.webhookEvents ?? [];
}

/** Our client at a provider; an empty one where it connects by a key. Throws `provider_not_configured`. */
export function requireClient(env: object, provider: Provider): OAuthClient {
  const client = findClient(env, provider);
  if (client) return client;
  throw new Problem(
    'provider_not_configured',
    `${provider.name} is not set up here yet. Ask whoever runs Reeve.`,
  );
}

/** A provider that connects by OAuth, and our client there. Throws `wrong_auth_method`, `provider_not_configured`. */
export function requireOAuth(
  env: object,
  id: string,
): { provider: Provider; auth: OAuth2; client: OAuthClient } {
  const provider = requireProvider(env, id);
  if (provider.auth.type !== 'oauth') {
    throw new Problem(
      'wrong_auth_method',
      `${provider.name} connects with a key: POST /api/connectors/connect.`,
    );
  }
  return { provider, auth: provider.auth, client: requireClient(env, provider) };
}

/** The catalogue entry of every provider, in the registry's order. */
export function catalogue(env: object) {
  return providers
    .map((usual) => asSetUp(env, usual))
    .map((provider) => ({
      provider: provider.id,
      name: provider.name,
      category: provider.category,
      auth: provider.auth.type,
      configured: findClient(env, provider) !== undefined,
      fields: fieldsOf(provider),
      scopes: provider.auth.type === 'oauth' ? provider.auth.scopes : [],
      tools: provider.tools,
      capabilities: provider.capabilities,
      webhook_events: provider.webhookEvents,
      disconnect_help:
        'unsupported' in provider.revocation
          ? provider.revocation.unsupported
          : (provider.revocation.help ?? null),
      docs_url: provider.docs,
    }));
}

function asSetUp(env: object, usual: Provider): Provider {
  const settings = providerSettings(env, usual.id);
  const other = alternatives.find(
    ({ setting, provider }) => provider.id === usual.id && settings[setting] !== undefined,
  );
  return other?.provider ?? usual;
}

/** Our client at a provider, or undefined where it needs one and has none. */
export function findClient(env: object, { id, auth }: Provider): OAuthClient | undefined {
  if (auth.type !== 'oauth') return NO_CLIENT;
  const { CLIENT_ID, CLIENT_SECRET, ...settings } = providerSettings(env, id);
  if (CLIENT_ID === undefined || CLIENT_SECRET === undefined) return undefined;
  return { id: CLIENT_ID, secret: CLIENT_SECRET, settings };
}

/** The id of our client that a provider issues tokens to (RFC 6749 section 2.2); null where it connects by a key. */
export function clientIdOf(env: object, provider: Provider): string | null {
  return provider.auth.type === 'oauth' ? (findClient(env, provider)?.id ?? null) : null;
}

function fieldsOf(provider: Provider) {
  const key = provider.auth.type === 'oauth' ? [] : [entry(provider.auth.key, true)];
  return [...provider.config.map((field) => entry(field, false)), ...key];
}

function entry({ name, label, required, pattern, help }: Field, secret: boolean) {
  return { name, label, secret, required, pattern, help };
}
