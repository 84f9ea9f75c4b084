import type { Context } from 'hono';
import { deleteCookie, getCookie } from 'hono/cookie';
import * as z from 'zod';
import { equalInConstantTime, sha256Hex } from '../../lib/bytes.ts';
import { requireOAuth } from '../../lib/catalog.ts';
import { isSecure } from '../../lib/config.ts';
import { fits } from '../../lib/config-fields.ts';
import type { ConnectionRow } from '../../lib/connections/row.ts';
import type { Snapshot } from '../../lib/connections/snapshot.ts';
import { viewOf } from '../../lib/connections/view.ts';
import type { AppEnv } from '../../lib/http/app.ts';
import { connectionBody } from '../../lib/http/bodies.ts';
import { endpoint, WITH_SESSION } from '../../lib/http/endpoint.ts';
import { bindingCookieName } from '../../lib/oauth/binding.ts';
import { checkCallbackSignature, type SignatureFinding } from '../../lib/oauth/callback-signature.ts';
import { claim, invalidState } from '../../lib/oauth/claim.ts';
import { complete } from '../../lib/oauth/complete.ts';
import { outcomeUrl } from '../../lib/oauth/return-to.ts';
import { type Flow, getFlow } from '../../lib/oauth/state.ts';
import { Problem } from '../../lib/problem.ts';
import type { Services } from '../../lib/services.ts';
import type { Provider } from '../../providers/provider.ts';

export const callback = endpoint(
  {
    method: 'get',
    path: '/api/oauth/:provider/callback',
    summary: 'Where the provider sends the browser back',
    access: 'public',
    limit: 'CALLBACK_LIMIT',
    params: z.object({ provider: z.string() }),
    responses: {
      200: { description: 'With Accept: application/json', schema: connectionBody },
      302: { description: 'To return_to, with provider, status and, where it failed, error' },
    },
    problems: [
      ...WITH_SESSION,
      'invalid_state',
      'invalid_hmac',
      'access_denied',
      'issuer_mismatch',
      'shop_mismatch',
      'unknown_provider',
      'wrong_auth_method',
      'provider_not_configured',
      'account_mismatch',
      'in_progress',
      'invalid_credential',
      'insufficient_scope',
      'method_not_allowed',
      'provider_error',
      'provider_timeout',
    ],
  },
  async (c, { params }) => {
    if (c.req.method === 'HEAD') {
      c.header('Allow', 'GET');
      throw new Problem('method_not_allowed', 'Open this address with GET.');
    }
    if (isPrefetch(c))
      throw new Problem('unavailable', 'This address is not fetched ahead.', { retryAfter: 1 });

    const services = c.get('services');
    const registered = requireOAuth(c.env, params.provider);
    c.set('logged', { provider_id: registered.provider.id });
    const query = new URL(c.req.url).searchParams;
    const state = only(query, 'state') ?? '';

    const flow = await getFlow(services, state);
    if (!flow) throw invalidState();
    if (flow.provider !== registered.provider.id) return await spendElsewhere(services, state, flow);
    const cookie = await bindingCookieName(services.config, state);
    if (!(await isSameBrowser(flow, getCookie(c, cookie)))) throw invalidState();
    const snapshot = await claim(services, state, flow);
    // Only now, so that a reload works where the claim could not be made.
    deleteCookie(c, cookie, { path: '/', secure: isSecure(services.config) });

    try {
      const row = await finish(c, registered, { query, state, flow, snapshot });
      c.set('logged', { ...c.get('logged'), connection_id: row.id });
      if (wantsJson(c)) return c.json(viewOf(row));
      return c.redirect(outcomeUrl(flow.returnTo, { provider: flow.provider, status: 'connected' }), 302);
    } catch (error) {
      if (!(error instanceof Problem) || wantsJson(c)) throw error;
      if (error.code === 'unauthenticated' || error.code === 'not_found') throw error;
      c.set('logged', {
        ...c.get('logged'),
        code: error.code,
        ...(error.reason !== undefined && { reason: error.reason }),
      });
      return c.redirect(
        outcomeUrl(flow.returnTo, { provider: flow.provider, status: 'error', error: error.code }),
        302,
      );
    }
  },
);

/** What the provider said, and what comes of it. The state is spent by now, whatever happens here. */
async function finish(
  c: Context<AppEnv>,
  registered: ReturnType<typeof requireOAuth>,
  { query, state, flow, snapshot }: { query: URLSearchParams; state: string; flow: Flow; snapshot: Snapshot },
): Promise<ConnectionRow> {
  const { provider, auth, client } = registered;
  if (query.has('iss') && auth.issuer === undefined) {
    c.set('logged', { ...c.get('logged'), unknown_issuer: 'ignored' });
  } else if (query.has('iss') && only(query, 'iss') !== auth.issuer) {
    throw new Problem(
      'issuer_mismatch',
      `The answer does not come from ${provider.name}. Start connecting again.`,
    );
  }
  if (auth.callbackSignature) {
    const about = { client, config: flow.config, now: Date.now() };
    const signature = await checkCallbackSignature(auth.callbackSignature, query, about);
    if (signature.finding !== 'signed') throw refusedFor(provider, signature);
  }
  if (query.has('error')) {
    if (only(query, 'error') === 'access_denied') throw denied(provider);
    throw new Problem(
      'provider_error',
      `${provider.name} could not complete the sign-in. Nothing was changed.`,
      {
        reason: 'error in the callback',
      },
    );
  }
  const parameter = auth.codeParameter ?? 'code';
  if (auth.deniesWithoutCode && query.getAll(parameter).every((value) => value === ''))
    throw denied(provider);
  const code = only(query, parameter);
  if (code === undefined || code.length > 2_048) {
    throw new Problem(
      'invalid_request',
      `${provider.name} sent no authorization code. Start connecting again.`,
    );
  }
  return complete(c.get('services'), registered, { state, code, flow, snapshot });
}

function denied(provider: Provider): Problem {
  return new Problem('access_denied', `Access to ${provider.name} was not granted. Nothing was changed.`);
}

/** Of what a signed answer says, an address alone is told, and only where it can be one. */
function refusedFor(
  provider: Provider,
  signature: Exclude<SignatureFinding, { finding: 'signed' }>,
): Problem {
  if (signature.finding === 'not_signed') {
    return new Problem(
      'invalid_hmac',
      `The answer is not signed by ${provider.name}. Start connecting again.`,
    );
  }
  const { name, value } = signature;
  const field = provider.config.find((each) => each.name === name);
  const next =
    field && fits(field, value)
      ? `Start connecting again, and enter ${value}.`
      : `Start connecting again. ${field?.help ?? ''}`;
  return new Problem(
    'shop_mismatch',
    `${provider.name} answered for another ${name} than the one that was entered. ${next}`,
  );
}

/** The parameter's value where it stands there once; doubled is as good as missing. */
function only(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

async function isSameBrowser({ binding }: Flow, cookie: string | undefined): Promise<boolean> {
  return binding === null || equalInConstantTime(await sha256Hex(cookie ?? ''), binding);
}

/** A state presented at another provider's callback is spent by that (mix-up, RFC 9700 section 4.4). */
async function spendElsewhere(services: Services, state: string, flow: Flow): Promise<never> {
  try {
    await claim(services, state, flow);
  } catch (error) {
    if (error instanceof Problem && error.code === 'unavailable') throw error;
  }
  throw invalidState();
}

function isPrefetch(c: Context<AppEnv>): boolean {
  return ['sec-purpose', 'purpose', 'x-moz', 'x-purpose'].some((name) =>
    /prefetch|prerender|preview/i.test(c.req.header(name) ?? ''),
  );
}

function wantsJson(c: Context<AppEnv>): boolean {
  return (c.req.header('accept') ?? '').includes('application/json');
}
