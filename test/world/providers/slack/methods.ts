import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { flag } from './arguments.ts';
import { type Caller, type Handler, method } from './door.ts';
import { listConversations, postMessage } from './messages.ts';
import { LIFETIME, type TokenBook } from './tokens.ts';
import { siteKey, workspacesOf } from './workspaces.ts';

const EITHER = ['GET', 'POST'] as const;

/** The Web API methods that want a token (docs.slack.dev/reference/methods), by name. */
export function webApi(context: SimulatorContext, tokens: TokenBook): Map<string, Handler> {
  const { client, now } = context;

  function whoAmI({ record, site }: Caller) {
    const bot = record.kind === 'bot';
    return {
      url: `https://${site.domain}.slack.com/`,
      team: site.name,
      user: bot ? site.bot.name : site.person.name,
      // Of an installation by an organization this is the organization.
      team_id: siteKey(site),
      user_id: bot ? site.bot.userId : site.person.id,
      ...(bot && { bot_id: site.bot.id }),
      ...(site.enterprise && { enterprise_id: site.enterprise.id }),
      is_enterprise_install: site.team === null,
      ...(record.expiresAt !== null && {
        expires_in: Math.min(LIFETIME, Math.ceil((record.expiresAt - now()) / 1000)),
      }),
    };
  }

  return new Map<string, Handler>([
    [
      'auth.test',
      method(tokens, {
        verbs: EITHER,
        json: true,
        arguments: z.strictObject({}),
        answer: (_given, caller) => whoAmI(caller),
      }),
    ],
    [
      'auth.revoke',
      method(tokens, {
        verbs: EITHER,
        refresh: true,
        arguments: z.strictObject({ test: flag.optional() }),
        answer({ test = false }, { record }) {
          if (!test) tokens.revoke(record);
          return { revoked: !test };
        },
      }),
    ],
    [
      'apps.uninstall',
      method(tokens, {
        // Documented with GET, which would put the secret of the app into a URL.
        verbs: ['POST'],
        arguments: z.strictObject({ client_id: z.string().optional(), client_secret: z.string().optional() }),
        answer({ client_id, client_secret }, { record }) {
          if (client_id !== client.id) return 'invalid_client_id';
          if (client_secret !== client.secret) return 'bad_client_secret';
          tokens.uninstall(record.site);
          return {};
        },
      }),
    ],
    [
      'team.info',
      method(tokens, {
        verbs: EITHER,
        arguments: z.strictObject({ team: z.string().optional() }),
        scopes: () => ['team:read'],
        answer({ team }, { site }) {
          // An organization has no current workspace; what it is told without `team` is not documented.
          const wanted = team ?? site.team?.id;
          const found = workspacesOf(site).find(({ id }) => id === wanted);
          if (!found) return 'team_not_found';
          const { id, name, domain, enterprise } = found;
          return {
            team: {
              id,
              name,
              domain,
              url: `https://${domain}.slack.com/`,
              email_domain: '',
              icon: { image_default: true },
              ...(enterprise && { enterprise_id: enterprise.id, enterprise_name: enterprise.name }),
            },
          };
        },
      }),
    ],
    ['conversations.list', method(tokens, listConversations)],
    ['chat.postMessage', method(tokens, postMessage(context))],
  ]);
}
