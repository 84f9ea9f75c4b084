import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { SimulatorFactory } from '../../world/simulator.ts';

/** What one answer of the token endpoint brought. */
export interface IssuedPair {
  account: number;
  access: string;
  refresh: string;
  isAlive: boolean;
}

export interface StrictGithub {
  factory: SimulatorFactory;
  /** An account of its own that has approved, and the code that its browser comes back with. */
  approve(): { account: number; code: string };
  /** All pairs of an account, oldest first. */
  pairs(account: number): IssuedPair[];
}

const tokenRequest = z.object({
  client_id: z.string(),
  client_secret: z.string(),
  code: z.string().optional(),
  grant_type: z.literal('refresh_token').optional(),
  refresh_token: z.string().optional(),
});
const ending = z.object({ access_token: z.string() });

/**
 * GitHub's OAuth App whose tokens expire, with as many accounts as are needed: a refresh token works once, and with its
 * use the pair before dies at once. No more of GitHub than a sign-in, a test and a disconnect ask.
 */
export function strictGithub(): StrictGithub {
  const byCode = new Map<string, number>();
  const byAccount = new Map<number, IssuedPair[]>();
  const byToken = new Map<string, IssuedPair>();
  let accounts = 0;

  const random = (prefix: string, length = 36) =>
    prefix + randomBytes(length).toString('hex').slice(0, length);
  const alive = (token: string) => {
    const pair = byToken.get(token);
    return pair?.isAlive ? pair : undefined;
  };

  function issue(account: number): Response {
    const pair = { account, access: random('gho_'), refresh: random('ghr_', 76), isAlive: true };
    byAccount.set(account, [...(byAccount.get(account) ?? []), pair]);
    byToken.set(pair.access, pair).set(pair.refresh, pair);
    return Response.json({
      access_token: pair.access,
      expires_in: 28_800,
      refresh_token: pair.refresh,
      refresh_token_expires_in: 15_897_600,
      scope: 'repo',
      token_type: 'bearer',
    });
  }

  return {
    approve() {
      accounts += 1;
      const code = random('code');
      byCode.set(code, accounts);
      return { account: accounts, code };
    },
    pairs: (account) => byAccount.get(account) ?? [],
    factory: (context) => ({
      provider: 'github',
      host: (hostname) => hostname === 'github.com' || hostname === 'api.github.com',
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === '/login/oauth/access_token') {
          const asked = tokenRequest.safeParse(await request.json());
          if (!asked.success) return Response.json({ error: 'invalid_request' });
          if (asked.data.client_secret !== context.client.secret)
            return Response.json({ error: 'incorrect_client_credentials' });
          if (asked.data.grant_type === undefined) {
            const account = byCode.get(asked.data.code ?? '');
            byCode.delete(asked.data.code ?? '');
            return account === undefined ? Response.json({ error: 'bad_verification_code' }) : issue(account);
          }
          const token = asked.data.refresh_token ?? '';
          const pair = alive(token);
          if (pair?.refresh !== token) return Response.json({ error: 'bad_refresh_token' });
          pair.isAlive = false;
          return issue(pair.account);
        }
        if (pathname === '/user') {
          const token = request.headers.get('authorization')?.replace(/^\S+ /, '') ?? '';
          const pair = alive(token);
          if (pair?.access !== token) return Response.json({ message: 'Bad credentials' }, { status: 401 });
          const who = { id: pair.account, login: `person-${pair.account}` };
          return Response.json(who, { headers: { 'x-oauth-scopes': 'repo' } });
        }
        const [, what] = /^\/applications\/[^/]+\/(token|grant)$/.exec(pathname) ?? [];
        if (request.method !== 'DELETE' || !what)
          return Response.json({ message: 'Not Found' }, { status: 404 });
        const pair = alive(ending.parse(await request.json()).access_token);
        if (!pair) return Response.json({ message: 'Not Found' }, { status: 404 });
        const ended = what === 'grant' ? (byAccount.get(pair.account) ?? []) : [pair];
        for (const each of ended) each.isAlive = false;
        return new Response(null, { status: 204 });
      },
    }),
  };
}
