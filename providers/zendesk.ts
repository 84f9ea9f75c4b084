import * as z from 'zod';
import type { Config, Provider } from './provider.ts';

const me = z.object({
  user: z.object({
    id: z.number().int().positive(),
    role: z.enum(['admin', 'agent']),
    suspended: z.literal(false).nullish(),
  }),
});

const nobody = z.object({ user: z.object({ role: z.string() }) });
const noHelpDesk = z.object({ error: z.object({ title: z.string().startsWith('No help desk') }) });

/** https://developer.zendesk.com/api-reference/introduction/security-and-auth/ */
export const zendesk = {
  id: 'zendesk',
  name: 'Zendesk',
  category: 'support',
  docs: 'https://developer.zendesk.com/api-reference/',
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
      name: 'email',
      label: 'Agent’s e-mail',
      required: true,
      // ASCII alone: it becomes the user name of HTTP Basic.
      pattern: "[A-Za-z0-9._%+'\\-]{1,64}@[A-Za-z0-9\\-]{1,63}(\\.[A-Za-z0-9\\-]{1,63}){1,8}",
      help: 'The e-mail address of the agent or admin whose name the agent shall act in.',
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'API token',
      required: true,
      pattern: '[A-Za-z0-9]{20,128}',
      help: 'In Admin Center under Apps and integrations, APIs, API tokens. Zendesk makes no new tokens since 2026-10-27, and all of them end on 2027-04-30.',
    },
  },
  probe: {
    // Open to anybody: a wrong token can be answered with a guest, so the user's role decides.
    request: ({ credential, config }) => ({
      method: 'GET',
      url: `https://${config.subdomain}.zendesk.com/api/v2/users/me.json`,
      headers: { accept: 'application/json', authorization: basic(config, credential) },
    }),
    read: (answer, { config }) => {
      if (answer.status === 200 && me.safeParse(answer.json).success) {
        const subdomain = config.subdomain ?? '';
        return { finding: 'works', account: { id: subdomain, name: `${subdomain}.zendesk.com` } };
      }
      if (answer.status === 200 && nobody.safeParse(answer.json).success) {
        return {
          finding: 'refused',
          detail: 'Zendesk does not know this e-mail and token as an active agent or admin.',
        };
      }
      if (answer.status === 404 && noHelpDesk.safeParse(answer.json).success) {
        return { finding: 'refused', detail: `There is no Zendesk at ${config.subdomain}.zendesk.com.` };
      }
      return undefined;
    },
  },
  revocation: {
    unsupported:
      'Zendesk lets nobody else delete an API token: delete it in Admin Center under Apps and integrations, APIs, API tokens.',
  },
  tools: ['reeve_support'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

/** The word `/token` behind the address tells Zendesk that no password follows. */
function basic({ email }: Config, token: string): string {
  return `Basic ${btoa(`${email}/token:${token}`)}`;
}
