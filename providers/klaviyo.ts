import * as z from 'zod';
import { getJson, type Provider } from './provider.ts';

/** The newest revision that its OpenAPI description and SDK name; each lives about two years. */
const revision = '2026-07-15';

const accounts = z.object({
  data: z.tuple([
    z.object({
      id: z.string().min(1),
      attributes: z.object({
        contact_information: z.object({ organization_name: z.string().nullish() }).nullish(),
      }),
    }),
  ]),
});

const refusal = z.object({ errors: z.tuple([z.object({ code: z.string() })], z.unknown()) });

/** https://developers.klaviyo.com/en/docs/authenticate_ and https://developers.klaviyo.com/en/reference/get_accounts */
export const klaviyo = {
  id: 'klaviyo',
  name: 'Klaviyo',
  category: 'marketing',
  docs: 'https://developers.klaviyo.com/en/reference/api_overview',
  hosts: () => ['a.klaviyo.com'],
  config: [],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'Private API key',
      required: true,
      // The account stands in keys since 2026; older ones live on (trufflehog, pkg/detectors/klaviyo).
      pattern: 'pk_([A-Za-z0-9]{6}_)?[0-9a-f]{34}',
      help: 'In Klaviyo, click your organization’s name at the bottom left, then Settings, API keys, Create Private API Key (an Owner or Admin can). Choose Custom Key with Read Access for Accounts, Campaigns, Flows, Lists, Metrics and Segments.',
    },
    refuse: (key) =>
      /^[A-Za-z0-9]{6}$/.test(key)
        ? 'That is the public API key (site ID). Paste a private key, which begins with pk_.'
        : undefined,
  },
  *probe({ credential }) {
    const answer = yield getJson('https://a.klaviyo.com/api/accounts', {
      accept: 'application/vnd.api+json',
      authorization: `Klaviyo-API-Key ${credential}`,
      revision,
    });
    const body = accounts.safeParse(answer.json);
    if (answer.status === 200 && body.success) {
      const [{ id, attributes }] = body.data.data;
      const name = attributes.contact_information?.organization_name ?? null;
      return { finding: 'works', account: { id, name } };
    }
    const refused = refusal.safeParse(answer.json);
    const code = refused.success ? refused.data.errors[0].code : undefined;
    if (answer.status === 401 && code !== undefined) {
      return {
        finding: 'refused',
        detail:
          'Klaviyo does not know this key: it is mistyped or was deleted. Make a new private key in Klaviyo under Settings, API keys.',
      };
    }
    if (answer.status === 403 && code === 'permission_denied') {
      return {
        finding: 'insufficient',
        detail:
          'The key works, but may not read the account. A key’s access cannot be changed later: make a new one in Klaviyo under Settings, API keys, with Read Access for Accounts, Campaigns, Flows, Lists, Metrics and Segments.',
      };
    }
    // A 403 that is no JSON is Cloudflare's challenge, and says nothing about the key (klaviyo-api-python #84).
    return undefined;
  },
  revocation: {
    unsupported:
      'Klaviyo lets nobody else delete a key: delete it in Klaviyo under Settings, API keys (an Owner or Admin can).',
  },
  tools: ['reeve_email'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;
