import type { Context } from 'hono';
import { Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { csrf } from 'hono/csrf';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import * as z from 'zod';
import { isSecure } from '../../lib/config.ts';
import type { AppEnv } from '../../lib/http/app.ts';
import { connectionBody } from '../../lib/http/bodies.ts';
import { page } from '../../lib/http/page.ts';
import { KEPT_FOR_A_WHILE } from '../../lib/http/security-headers.ts';
import { Problem, type ProblemCode } from '../../lib/problem.ts';
import { catalogBody } from '../connectors/catalog.ts';
import { listBody } from '../connectors/list.ts';
import { callApi, type Dispatch, type Refusal } from './api.ts';
import { ConnectorsPage, LeavingPage, type Notice, noticeOf, SignInPage, withBrand } from './page.tsx';
import style from './style.css';

const MAX_FORM_BYTES = 64 * 1024;

/** The connectors page. It uses nothing but the API, with the session that its own cookie holds. */
export function cockpit(dispatch: Dispatch) {
  const app = new Hono<AppEnv>();
  app.use(csrf());

  app.get('/style.css', (c) =>
    c.body(style, {
      headers: { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': KEPT_FOR_A_WHILE },
    }),
  );

  app.get('/', (c) => show(c));

  app.post('/session', async (c) => {
    const session = (await readForm(c)).get('session')?.trim() ?? '';
    setCookie(c, sessionCookie(c), session, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      secure: isSecure(c.get('services').config),
    });
    return c.redirect(withBrand('/cockpit', brandOf(c)), 303);
  });

  app.post('/sign-out', (c) => {
    deleteCookie(c, sessionCookie(c), { path: '/', secure: isSecure(c.get('services').config) });
    return c.redirect('/cockpit', 303);
  });

  app.post('/connect/:provider', async (c) => {
    const session = sessionOf(c);
    if (session === undefined) return signIn(c);
    const as = { session, brand: brandOf(c) };
    const catalogue = await callApi(
      c,
      dispatch,
      { method: 'GET', path: '/api/connectors', ...as },
      catalogBody,
    );
    const connector = catalogue.ok
      ? catalogue.body.connectors.find(({ provider }) => provider === c.req.param('provider'))
      : undefined;
    if (!connector) return show(c, { tone: 'bad', text: 'There is no such connector.', status: 404 });
    const form = await readForm(c);
    const replace = form.get('replace') === 'true';
    const typed = Object.fromEntries(
      connector.fields
        .filter((field) => !field.secret)
        .map((field) => [field.name, form.get(field.name)?.trim() ?? ''])
        .filter(([, value]) => value !== ''),
    );
    const { provider, name } = connector;

    if (connector.auth === 'oauth') {
      const landing = new URL(withBrand('/cockpit', as.brand), c.get('services').config.PUBLIC_URL).href;
      const query = new URLSearchParams({ ...typed, return_to: landing, replace: String(replace) });
      const path = `/api/oauth/${provider}/authorize?${query}`;
      const reply = await callApi(
        c,
        dispatch,
        { method: 'GET', path, ...as },
        z.object({ authorization_url: z.url() }),
      );
      if (!reply.ok) return show(c, { ...failed(reply, provider), typed });
      for (const cookie of reply.headers.getSetCookie()) c.header('Set-Cookie', cookie, { append: true });
      return c.html(page(<LeavingPage name={name} url={reply.body.authorization_url} />));
    }

    const body = { provider, api_key: form.get('api_key') ?? '', config: typed, replace };
    const reply = await callApi(
      c,
      dispatch,
      { method: 'POST', path: '/api/connectors/connect', body, ...as },
      connectionBody,
    );
    if (!reply.ok) return show(c, { ...failed(reply, provider), typed });
    return c.redirect(outcome(provider, 'connected', as.brand), 303);
  });

  app.post('/disconnect/:provider', async (c) => {
    const session = sessionOf(c);
    if (session === undefined) return signIn(c);
    const provider = c.req.param('provider');
    const path = `/api/connectors/${encodeURIComponent(provider)}`;
    const as = { session, brand: brandOf(c) };
    const reply = await callApi(c, dispatch, { method: 'DELETE', path, ...as }, z.unknown());
    if (!reply.ok) return show(c, failed(reply, provider));
    return c.redirect(outcome(provider, 'disconnected', as.brand), 303);
  });

  app.post('/test/:provider', async (c) => {
    const session = sessionOf(c);
    if (session === undefined) return signIn(c);
    const provider = c.req.param('provider');
    const path = `/api/connectors/${encodeURIComponent(provider)}/test`;
    const as = { session, brand: brandOf(c) };
    const reply = await callApi(c, dispatch, { method: 'POST', path, ...as }, connectionBody);
    if (!reply.ok) return show(c, failed(reply, provider));
    return c.redirect(outcome(provider, 'tested', as.brand), 303);
  });

  async function show(c: Context<AppEnv>, notice?: Notice) {
    const session = sessionOf(c);
    if (session === undefined) return signIn(c);
    const as = { session, brand: brandOf(c) };
    const [catalogue, mine, team] = await Promise.all([
      callApi(c, dispatch, { method: 'GET', path: '/api/connectors', ...as }, catalogBody),
      callApi(c, dispatch, { method: 'GET', path: '/api/connectors/list', ...as }, listBody),
      callApi(c, dispatch, { method: 'GET', path: '/api/connectors/list?scope=team', ...as }, listBody),
    ]);
    for (const reply of [catalogue, mine, team]) {
      if (reply.ok) continue;
      if (reply.status === 401) return signIn(c, reply.problem.detail);
      throw new Problem(reply.problem.code as ProblemCode, reply.problem.detail, {
        retryAfter: reply.retryAfter,
      });
    }
    if (!catalogue.ok || !mine.ok || !team.ok) return signIn(c);
    const { connectors } = catalogue.body;
    c.status(notice?.status ?? 200);
    if (notice?.retryAfter !== undefined) c.header('Retry-After', String(notice.retryAfter));
    return c.html(
      page(
        <ConnectorsPage
          connectors={connectors}
          mine={mine.body.connections}
          team={team.body.connections}
          brand={as.brand}
          notice={notice ?? noticeOf(c.req.query(), connectors)}
        />,
      ),
    );
  }

  return app;
}

function signIn(c: Context<AppEnv>, message?: string) {
  c.status(401);
  return c.html(page(<SignInPage message={message} brand={brandOf(c)} />));
}

/** What the API refused, as a notice on the page; the page answers with the API's status. */
function failed({ status, problem, retryAfter }: Refusal, provider: string): Notice {
  const notice: Notice = {
    tone: 'bad',
    provider,
    text: problem.detail,
    status: status as ContentfulStatusCode,
  };
  return retryAfter === undefined ? notice : { ...notice, retryAfter };
}

function sessionCookie(c: Context<AppEnv>): string {
  return `${isSecure(c.get('services').config) ? '__Host-' : ''}reeve-session`;
}

function sessionOf(c: Context<AppEnv>): string | undefined {
  const token = getCookie(c, sessionCookie(c)) ?? '';
  return /^[\w.~+/=-]{1,512}$/.test(token) ? token : undefined;
}

function brandOf(c: Context<AppEnv>): string | undefined {
  const brand = c.req.query('brand') ?? '';
  return /^[\w-]{1,64}$/.test(brand) ? brand : undefined;
}

function outcome(provider: string, status: string, brand: string | undefined): string {
  return `/cockpit?${new URLSearchParams({ ...(brand !== undefined && { brand }), provider, status })}`;
}

async function readForm(c: Context<AppEnv>): Promise<URLSearchParams> {
  const length = Number(c.req.header('content-length') ?? Number.NaN);
  return new URLSearchParams(length <= MAX_FORM_BYTES ? await c.req.text() : '');
}
