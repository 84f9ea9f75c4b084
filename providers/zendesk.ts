import * as z from 'zod';
import {
  bearer,
  type Config,
  getJson,
  type Provider,
  postJson,
  type RevocationRequest,
  readTokenResponse,
} from './provider.ts';

const me = z.object({
  user: z.object({
    id: z.number().int().positive(),
    role: z.enum(['admin', 'agent']),
    suspended: z.literal(false).nullish(),
  }),
});

const nobody = z.object({ user: z.object({ role: z.string() }) });
const noHelpDesk = z.object({ error: z.object({ title: z.string().startsWith('No help desk') }) });

/** https://developer.zendesk.com/documentation/api-basics/authentication/oauth-migration/ */
const lastDayOfApiTokens = new Date('2027-04-30T00:00:00Z');

const oauthClients = 'Admin Center under Apps and integrations, APIs, OAuth clients';

/** What a person can do about the errors of the token endpoint. */
const sentences = new Map(
  Object.entries({
    invalid_client: `Zendesk does not know this client identifier and secret. Copy both anew in ${oauthClients}.`,
    unauthorized_client: `This OAuth client may not be used so. Make one of the kind Confidential in ${oauthClients}.`,
    // https://support.zendesk.com/hc/en-us/articles/11093380955674
    invalid_scope: `This OAuth client may not ask for the scope read. Add it to the allowed scopes in ${oauthClients}.`,
  }),
);

/** https://developer.zendesk.com/api-reference/ticketing/oauth/oauth_tokens/ */
const endToken: RevocationRequest = {
  request: ({ credential, config }) => ({
    method: 'DELETE',
    url: `https://${config.subdomain}.zendesk.com/api/v2/oauth/tokens/current.json`,
    headers: { accept: 'application/json', ...bearer(credential) },
  }),
  // Of a help desk that is not at this address, nobody knows whether the token lives at another.
  ended: ({ status, json }) => [200, 204, 401, 404].includes(status) && !noHelpDesk.safeParse(json).success,
};

/** https://developer.zendesk.com/api-reference/introduction/security-and-auth/ */
export const zendesk = {
  id: 'zendesk',
  name: 'Zendesk',
  category: 'support',
  docs: 'https://developer.zendesk.com/api-reference/',
  hosts: () => ['*.zendesk.com'],
  config: [
    {
      name: 'subdomain',
      label: 'Subdomain',
      required: true,
      pattern: '[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?',
      help: 'The first part of your Zendesk address: acme in acme.zendesk.com.',
      // People paste the address from the browser.
      normalize: (value) => /^https:\/\/([^/.]+)\.zendesk\.com(?:\/|$)/.exec(value)?.[1] ?? value,
    },
    {
      name: 'client_id',
      label: 'OAuth client’s identifier',
      required: false,
      unless: 'email',
      pattern: '[A-Za-z0-9_.\\-]{1,128}',
      help: `In ${oauthClients}: add a client of the kind Confidential whose allowed scopes, if any, include read, and copy its Identifier. Leave it empty only for an old API token.`,
    },
    {
      name: 'email',
      label: 'Agent’s e-mail',
      required: false,
      unless: 'client_id',
      // ASCII alone: it becomes the user name of HTTP Basic.
      pattern: "[A-Za-z0-9._%+'\\-]{1,64}@[A-Za-z0-9\\-]{1,63}(\\.[A-Za-z0-9\\-]{1,63}){1,8}",
      help: 'With an old API token alone: the e-mail address of the agent or admin whose name the agent shall act in.',
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'Client secret or API token',
      required: true,
      pattern: '[A-Za-z0-9_\\-]{20,256}',
      help: `The secret of the OAuth client, shown once in ${oauthClients}. An old API token works until 2027-04-30; Zendesk makes no new ones.`,
    },
    grant: {
      applies: isOAuth,
      // https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
      *request({ key, config }) {
        const answer = yield postJson(`https://${config.subdomain}.zendesk.com/oauth/tokens`, {
          grant_type: 'client_credentials',
          client_id: config.client_id,
          client_secret: key,
          scope: 'read',
          // A day, of the two that are the most.
          expires_in: 86_400,
        });
        if (answer.status === 404 && noHelpDesk.safeParse(answer.json).success) {
          return { error: 'invalid_client', detail: nobodyAt(config) };
        }
        const result = readTokenResponse(answer);
        const detail = 'error' in result ? sentences.get(result.error) : undefined;
        return detail === undefined ? result : { ...result, detail };
      },
      dead: ['invalid_client', 'unauthorized_client', 'invalid_grant', 'invalid_scope'],
    },
  },
  *probe({ credential, config }) {
    const subdomain = config.subdomain ?? '';
    const api = `https://${subdomain}.zendesk.com/api/v2`;
    const as = isOAuth(config) ? bearer(credential) : basic(config, credential);
    // Open to anybody: a wrong token can be answered with a guest, so the user's role decides.
    const user = yield getJson(`${api}/users/me.json`, as);
    if (user.status === 404 && noHelpDesk.safeParse(user.json).success) {
      return { finding: 'refused', detail: nobodyAt(config) };
    }
    if (user.status === 401 && user.json !== undefined) {
      return { finding: 'refused', detail: isOAuth(config) ? unknownToken : unknownAgent(config) };
    }
    if (user.status !== 200) return undefined;
    if (!me.safeParse(user.json).success) {
      return nobody.safeParse(user.json).success
        ? { finding: 'refused', detail: unknownAgent(config) }
        : undefined;
    }
    // And this is closed to all but agents who may see tickets.
    const tickets = yield getJson(`${api}/tickets?page[size]=1`, as);
    if (tickets.status === 403 && tickets.json !== undefined) {
      return { finding: 'insufficient', detail: blind };
    }
    if (tickets.status !== 200) return undefined;
    return {
      finding: 'works',
      account: { id: subdomain, name: `${subdomain}.zendesk.com` },
      ...(!isOAuth(config) && { endsAt: lastDayOfApiTokens }),
    };
  },
  revocation: {
    // The client itself is ended by a person alone; each connection has a token of its own.
    grant: endToken,
    token: endToken,
    only: 'client_id',
    help: `Delete the OAuth client in ${oauthClients}; an API token in Admin Center under Apps and integrations, APIs, API tokens. Zendesk lets nobody else do that.`,
  },
  tools: ['reeve_support'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

function isOAuth(config: Config): boolean {
  return config.client_id !== undefined;
}

/** The word `/token` behind the address tells Zendesk that no password follows. */
function basic({ email }: Config, token: string) {
  return { authorization: `Basic ${btoa(`${email}/token:${token}`)}` };
}

function nobodyAt({ subdomain }: Config): string {
  return `There is no Zendesk at ${subdomain}.zendesk.com.`;
}

const unknownToken =
  'Zendesk does not accept this access any more: the OAuth client or its token was deleted. Connect Zendesk again.';
const blind =
  'Zendesk shows no tickets to the user behind this key. Choose an agent or admin who may see tickets.';

function unknownAgent(config: Config): string {
  return isOAuth(config)
    ? `The OAuth client’s user is no active agent or admin. Have an admin make the client in ${oauthClients}.`
    : `Zendesk does not know this e-mail and token as an active agent or admin. A token that nobody used for 30 days is switched off; an OAuth client from ${oauthClients} lasts.`;
}
