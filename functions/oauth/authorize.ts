import { setCookie } from 'hono/cookie';
import * as z from 'zod';
import { checkScope } from '../../lib/access.ts';
import { randomBytes, sha256Hex, toBase64url } from '../../lib/bytes.ts';
import { requireOAuth } from '../../lib/catalog.ts';
import { isSecure } from '../../lib/config.ts';
import { readConfigFields } from '../../lib/config-fields.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';
import { authorizationUrl, newState } from '../../lib/oauth/authorization-request.ts';
import { bindingCookieName } from '../../lib/oauth/binding.ts';
import { redirectUri } from '../../lib/oauth/redirect-uri.ts';
import { returnTo } from '../../lib/oauth/return-to.ts';
import { codeVerifier, putFlow, STATE_TTL } from '../../lib/oauth/state.ts';
import { providers } from '../../providers/index.ts';

/** What providers need to know before the sign-in, each a parameter of its name. */
const settings = providers
  .filter(({ auth }) => auth.type === 'oauth')
  .flatMap(({ name, config }) =>
    config.map((field) => [field.name, text(`For ${name}: ${field.help}`)] as const),
  );

const query = z.object({
  return_to: text('Where to land afterwards; on the Cockpit’s origin.'),
  replace: z.enum(['true', 'false']).optional().describe('Replace a connection to another account.'),
  ...Object.fromEntries(settings),
});

const body = z.object({ authorization_url: z.url(), state_expires_at: z.iso.datetime() });

export const authorize = endpoint(
  {
    method: 'get',
    path: '/api/oauth/:provider/authorize',
    summary: 'Begin to connect by signing in at the provider',
    access: 'session',
    limit: 'AUTHORIZE_LIMIT',
    params: z.object({ provider: z.string() }),
    query,
    responses: {
      200: {
        description:
          'Send the browser there. The answer also sets the cookie that binds the flow to this browser.',
        schema: body,
      },
    },
    problems: [...WITH_SESSION, 'unknown_provider', 'wrong_auth_method', 'provider_not_configured'],
  },
  async (c, { params, query: { return_to, replace, ...given } }) => {
    const services = c.get('services');
    const caller = c.get('caller');
    const { provider, auth, client } = requireOAuth(c.env, params.provider);
    c.set('logged', { provider_id: provider.id });
    const config = readConfigFields(provider, given);
    const page = returnTo(services.config, return_to);
    await checkScope(services, caller);

    const state = newState();
    const binding = services.config.OAUTH_BROWSER_BINDING === 'on' ? toBase64url(randomBytes(32)) : null;
    const expiresAt = Date.now() + STATE_TTL * 1000;
    await putFlow(services, state, {
      provider: provider.id,
      ...caller,
      config,
      replace: replace === 'true',
      returnTo: page,
      binding: binding && (await sha256Hex(binding)),
      expiresAt,
    });
    if (binding) {
      setCookie(c, await bindingCookieName(services.config, state), binding, {
        path: '/',
        httpOnly: true,
        sameSite: 'Lax',
        secure: isSecure(services.config),
        maxAge: STATE_TTL,
      });
    }
    const url = authorizationUrl(auth, client, {
      state,
      codeVerifier: await codeVerifier(services, state),
      redirectUri: redirectUri(services.config, provider.id),
      config,
    });
    return c.json({ authorization_url: url.href, state_expires_at: new Date(expiresAt).toISOString() });
  },
);

function text(description: string) {
  return z.string().optional().describe(description);
}
