import * as z from 'zod';
import { bearer, type Finding, getJson, type Provider } from './provider.ts';

const text = z.string().nullish();
const limited = z.boolean().optional();
const user = z.object({
  user: z.object({ id: z.string().min(1), name: text, username: text, email: text, limited }),
});
const team = z.object({ id: z.string().min(1), name: text, slug: text, limited });
/** Milliseconds since 1970; tokens made without an expiration have none. */
const ownToken = z.object({ token: z.object({ expiresAt: z.number().positive().nullish() }) });
const refusal = z.object({
  error: z.object({ code: z.string(), invalidToken: z.boolean().optional(), saml: z.unknown().optional() }),
});

const notUsable: ReadonlyArray<[prefix: string, why: string]> = [
  [
    'vci_',
    'That is an integration’s token. Paste a token of Account Settings, Tokens, which begins with vcp_.',
  ],
  [
    'vca_',
    'That is an app’s access token. Paste a token of Account Settings, Tokens, which begins with vcp_.',
  ],
  [
    'vcr_',
    'That is an app’s refresh token. Paste a token of Account Settings, Tokens, which begins with vcp_.',
  ],
  ['vck_', 'That is an AI Gateway key. Paste a token of Account Settings, Tokens, which begins with vcp_.'],
];

const tokens = 'vercel.com/account/settings/tokens';

/** https://vercel.com/docs/rest-api and https://vercel.com/changelog/new-token-formats-and-secret-scanning */
export const vercel = {
  id: 'vercel',
  name: 'Vercel',
  category: 'development',
  docs: 'https://vercel.com/docs/rest-api',
  hosts: () => ['api.vercel.com'],
  config: [
    {
      name: 'team_id',
      label: 'Team ID',
      required: false,
      pattern: 'team_[A-Za-z0-9]{1,64}',
      help: 'In Vercel, open the team’s Settings, General, Team ID: it begins with team_. Leave it empty only where the token’s scope is your full account.',
    },
  ],
  auth: {
    type: 'api_key',
    key: {
      name: 'api_key',
      label: 'Access token',
      required: true,
      // Tokens from before the prefix are 24 characters and live on.
      pattern: 'vcp_[A-Za-z0-9_\\-]{20,200}|[A-Za-z0-9]{24}',
      help: `In Vercel under Account Settings, Tokens (${tokens}), choose Create: the team as Scope, and an expiration that suits you. Vercel has no read-only tokens; we only read deployments, domains and build logs. Make it for Reeve alone: disconnecting deletes it.`,
    },
    refuse: (key) => notUsable.find(([prefix]) => key.startsWith(prefix))?.[1],
  },
  *probe({ credential, config: { team_id } }) {
    const path = team_id === undefined ? 'user' : `teams/${team_id}`;
    const answer = yield getJson(`https://api.vercel.com/v2/${path}`, bearer(credential));
    if (answer.status === 200) {
      const found = team_id === undefined ? ofUser(answer.json) : ofTeam(answer.json, team_id);
      if (found?.finding !== 'works') return found;
      const own = yield getJson('https://api.vercel.com/v5/user/tokens/current', bearer(credential));
      const endsAt = own.status === 200 ? ownToken.safeParse(own.json).data?.token.expiresAt : undefined;
      return { ...found, ...(endsAt && { endsAt: new Date(endsAt) }) };
    }
    const refused = refusal.safeParse(answer.json);
    if (!refused.success) return undefined;
    const { invalidToken, saml } = refused.data.error;
    // A dead token is a 403 too; the flag tells, as in Vercel's own CLI.
    if (answer.status === 401 || (answer.status === 403 && invalidToken)) {
      return {
        finding: 'refused',
        detail: `Vercel does not accept this token: it is mistyped, was deleted or has expired. Create a new one at ${tokens}.`,
      };
    }
    if (answer.status === 404 && team_id !== undefined) {
      return {
        finding: 'refused',
        detail: `Vercel knows no team ${team_id}. Check the Team ID in the team’s Settings, General.`,
      };
    }
    if (answer.status !== 403) return undefined;
    if (saml) {
      return {
        finding: 'insufficient',
        detail: `The team wants its members to sign in with SSO. Sign in to the team in Vercel, then create a new token at ${tokens} with the team as Scope.`,
      };
    }
    return team_id === undefined ? noAccount : noTeam(team_id);
  },
  revocation: {
    // https://docs.vercel.com/docs/rest-api/reference/endpoints/authentication/delete-an-authentication-token
    grant: {
      request: ({ credential }) => ({
        method: 'DELETE',
        url: 'https://api.vercel.com/v3/user/tokens/current',
        headers: { accept: 'application/json', ...bearer(credential) },
      }),
      ended: ({ status, json }) =>
        status === 200 ||
        status === 401 ||
        (status === 403 && refusal.safeParse(json).data?.error.invalidToken === true),
    },
  },
  tools: [],
  capabilities: ['deployment status', 'domains', 'build logs'],
  webhookEvents: [],
} satisfies Provider;

/** A token of one team or project is shown no user, or only a limited one (AuthUserLimited). */
const noAccount: Finding = {
  finding: 'insufficient',
  detail: `The token works, but not for your whole account. If its scope is a team, add the Team ID; a token of one project is not enough. Tokens are made at ${tokens}.`,
};

const noTeam = (id: string): Finding => ({
  finding: 'insufficient',
  detail: `The token works, but may not read the team ${id}. Create one at ${tokens} with this team as Scope; a token of one project is not enough.`,
});

function ofUser(json: unknown): Finding | undefined {
  const found = user.safeParse(json);
  if (!found.success) return undefined;
  const { id, name, username, email, limited } = found.data.user;
  return limited ? noAccount : { finding: 'works', account: { id, name: name || username || email || null } };
}

function ofTeam(json: unknown, teamId: string): Finding | undefined {
  const found = team.safeParse(json);
  if (!found.success || found.data.id !== teamId) return undefined;
  const { id, name, slug, limited } = found.data;
  return limited ? noTeam(id) : { finding: 'works', account: { id, name: name || slug || null } };
}
