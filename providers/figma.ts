import * as z from 'zod';
import { type Access, type Account, type Answer, type Finding, getJson, type Provider } from './provider.ts';

const me = z.object({ id: z.string().min(1), handle: z.string(), email: z.string().nullish() });
const team = z.object({ name: z.string(), folders: z.array(z.unknown()) });

/** Older endpoints say `err`, newer ones `message`. */
const refusal = z
  .object({ err: z.string().optional(), message: z.string().optional() })
  .transform(({ err, message }) => err ?? message ?? '');

/** What the files, components and team listings need; `current_user:read` is for the probe. */
const scopes =
  'current_user:read, file_content:read, file_metadata:read, file_versions:read, library_content:read, library_assets:read, team_library_content:read and folders:read';

const teamHelp =
  'Needed for a plan access token, and to list a team’s files: open the team in Figma and copy the number behind /team/ in the address.';

/** https://developers.figma.com/docs/rest-api/personal-access-tokens/ and …/plan-access-tokens/ */
export const figma = {
  id: 'figma',
  name: 'Figma',
  category: 'development',
  docs: 'https://developers.figma.com/docs/rest-api/',
  hosts: () => ['api.figma.com'],
  config: [
    {
      name: 'team_id',
      label: 'Team ID',
      required: false,
      pattern: '[0-9]{1,32}',
      help: teamHelp,
      // People paste the address of the team’s page.
      normalize: (value) =>
        /^https:\/\/(?:www\.)?figma\.com\/files\/(?:[0-9]+\/)?team\/([0-9]+)(?:[/?#]|$)/.exec(
          value.trim(),
        )?.[1] ?? value.trim(),
    },
  ],
  auth: {
    type: 'api_key',
    lifetimeDays: (token) => (isPlanToken(token) ? 365 : 90),
    key: {
      name: 'api_key',
      label: 'Access token',
      required: true,
      pattern: 'fig[dp]_[A-Za-z0-9_=\\-]{40,128}',
      help: `In Figma, from the account menu, under Settings, Security, Personal access tokens: choose Generate new token, with the longest expiration (90 days) and the scopes ${scopes}.`,
    },
  },
  *probe(access) {
    // No other call says whose a token is, and this one takes no plan access token.
    const own = isPlanToken(access.credential) && access.config.team_id;
    const answer = yield getJson(
      `https://api.figma.com${own ? `/v2/teams/${access.config.team_id}/folders` : '/v1/me'}`,
      { 'x-figma-token': access.credential },
    );
    const account = accountOf(answer, access);
    if (account) return { finding: 'works', account };
    if (answer.status !== 403 && answer.status !== 404) return undefined;
    const said = refusal.safeParse(answer.json);
    return said.success ? refused(answer.status, said.data, access) : undefined;
  },
  revocation: {
    unsupported:
      'Figma lets nobody else revoke a token: revoke it in Figma under Settings, Security, Personal access tokens; a plan access token is revoked by an admin at figma.com/developers/tokens.',
  },
  tools: [],
  capabilities: ['design files', 'components'],
  webhookEvents: [],
} satisfies Provider;

/** That the prefix tells the two kinds apart is seen in secret scanners, not in Figma’s documents. */
function isPlanToken(token: string): boolean {
  return token.startsWith('figp_');
}

function accountOf(answer: Answer, access: Access): Account | undefined {
  if (answer.status !== 200) return undefined;
  if (isPlanToken(access.credential)) {
    const body = team.safeParse(answer.json);
    const id = access.config.team_id;
    return body.success && id !== undefined ? { id, name: body.data.name } : undefined;
  }
  const body = me.safeParse(answer.json);
  return body.success ? { id: body.data.id, name: body.data.handle || body.data.email || null } : undefined;
}

/** Figma answers 403 to dead tokens and to living ones; the sentence tells which. */
function refused(status: number, said: string, access: Access): Finding | undefined {
  const plan = isPlanToken(access.credential);
  if (/^invalid scope/i.test(said)) {
    const needed =
      /\b[a-z_]+:[a-z_]+(?= scope)/.exec(said)?.[0] ?? (plan ? 'folders:read' : 'current_user:read');
    return {
      finding: 'insufficient',
      detail: `Figma accepts this token, but it lacks the scope ${needed}. Scopes cannot be added later: generate a new token with ${scopes}.`,
    };
  }
  if (plan && access.config.team_id === undefined) {
    return {
      finding: 'insufficient',
      detail: `Figma does not tell whose a plan access token is. Give the Team ID with it: ${teamHelp}`,
    };
  }
  if (status === 403 && /\b(invalid|expired) token|token (has )?expired/i.test(said)) {
    return {
      finding: 'refused',
      detail: plan
        ? 'Figma does not accept this token: it is revoked, or older than it was made to last. Have an admin make a new one at figma.com/developers/tokens.'
        : 'Figma does not accept this token: it is revoked, or older than it was made to last, at most 90 days. Generate a new one in Figma under Settings, Security, Personal access tokens.',
    };
  }
  if (!plan) return undefined;
  return {
    finding: 'insufficient',
    detail: `This token may not see the Figma team ${access.config.team_id}. Check the Team ID, and whether the token’s resources include that team.`,
  };
}
