import * as z from 'zod';
import { type Answer, type Config, type Finding, getJson, type Provider } from './provider.ts';

const account = z.object({
  domain: z.string().regex(/^[\w-]{1,63}$/),
  deactivated_datetime: z.string().nullish(),
  status: z.object({ status: z.string() }).nullish(),
});

/** https://developers.gorgias.com/docs/access-tokens-api-keys and https://docs.gorgias.com/en-US/rest-api-208286 */
export const gorgias = {
  id: 'gorgias',
  name: 'Gorgias',
  category: 'support',
  docs: 'https://developers.gorgias.com/reference/introduction',
  hosts: () => ['*.gorgias.com'],
  config: [
    {
      name: 'domain',
      label: 'Gorgias domain',
      required: true,
      pattern: '[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?',
      help: 'The first part of your Gorgias address: acme in acme.gorgias.com.',
      // People paste the address, or the Base API URL that stands beside the key.
      normalize: (value) => {
        const address = value.trim().toLowerCase();
        return /^(?:https:\/\/)?([^/.]+)\.gorgias\.com(?:\/|$)/.exec(address)?.[1] ?? address;
      },
    },
    {
      name: 'email',
      label: 'User’s e-mail',
      required: true,
      // ASCII alone: it becomes the user name of HTTP Basic.
      pattern: "[A-Za-z0-9._%+'\\-]{1,64}@[A-Za-z0-9\\-]{1,63}(\\.[A-Za-z0-9\\-]{1,63}){1,8}",
      help: 'The Username that Gorgias shows beside the API key: the e-mail address of the user who made it.',
      normalize: (value) => value.trim(),
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'API key',
      required: true,
      // Its form is documented nowhere.
      pattern: '[\\x21-\\x7E]{16,256}',
      help: 'In Gorgias, signed in as account owner or admin, under Settings, Account, REST API: choose Create API key and copy Password (API key). The key may do what its user’s role may; it has to read tickets, users, satisfaction surveys and statistics.',
    },
  },
  *probe({ credential, config, pinned }) {
    const answer = yield getJson(`https://${config.domain}.gorgias.com/api/account`, {
      authorization: `Basic ${btoa(`${config.email}:${credential}`)}`,
    });
    const body = account.safeParse(answer.json);
    if (answer.status !== 200 || !body.success) return refusal(answer, config, pinned === config.domain);
    const { domain, deactivated_datetime: deactivated, status } = body.data;
    if (deactivated || (status?.status ?? 'active') !== 'active') {
      return {
        finding: 'refused',
        detail: `The Gorgias account ${domain} is not active. Have its owner reactivate it at Gorgias, then connect again.`,
      };
    }
    // The account has no number and no name but its domain: https://developers.gorgias.com/reference/account
    return { finding: 'works', account: { id: domain, name: `${domain}.gorgias.com` } };
  },
  revocation: {
    unsupported:
      'Gorgias lets nobody else end an API key: reset it in Gorgias under Settings, Account, REST API.',
  },
  tools: ['reeve_support'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

/**
 * https://developers.gorgias.com/reference/errors-1. What an unknown domain answers is documented nowhere: of one that is
 * known already, a 404 or a page says nothing.
 */
function refusal({ status, json }: Answer, { domain }: Config, isKnown: boolean): Finding | undefined {
  if (status === 401 && json !== undefined) {
    return {
      finding: 'refused',
      detail: `${domain}.gorgias.com does not accept this e-mail and API key. Copy both anew in Gorgias under Settings, Account, REST API.`,
    };
  }
  if (status === 403 && json !== undefined) {
    return {
      finding: 'insufficient',
      detail:
        'Gorgias accepts this API key, but its user’s role may not read the account. Have an admin give that user a higher role in Gorgias, or use the key of another user.',
    };
  }
  if (status !== 404 || isKnown) return undefined;
  return { finding: 'refused', detail: `There is no Gorgias at ${domain}.gorgias.com. Check the domain.` };
}
