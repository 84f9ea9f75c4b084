import { OWNER, type TeamRecord, type TokenRecord } from './tokens.ts';

const CREATED = Date.UTC(2024, 1, 1);

/** AuthUser, or AuthUserLimited where the token lacks the privilege to read all of it. */
export function userObject({ user, team, scope }: TokenRecord) {
  const known = { id: user, ...OWNER, avatar: null, defaultTeamId: team };
  if (scope !== 'account') return { user: { limited: true, ...known } };
  return {
    user: {
      ...known,
      createdAt: CREATED,
      softBlock: null,
      billing: null,
      resourceConfig: {},
      stagingPrefix: 'ada',
      hasTrialAvailable: false,
    },
  };
}

/** Team. */
export function teamObject({ id, name, slug }: TeamRecord, { user }: TokenRecord) {
  return {
    id,
    slug,
    name,
    creatorId: user,
    createdAt: CREATED,
    updatedAt: CREATED,
    avatar: null,
    description: null,
    stagingPrefix: slug,
    membership: {
      uid: user,
      teamId: id,
      confirmed: true,
      confirmedAt: CREATED,
      role: 'OWNER',
      created: CREATED,
      createdAt: CREATED,
    },
  };
}

/** GET /v5/user/tokens/current. */
export function tokenObject({ id, scope, team, createdAt, expiresAt }: TokenRecord) {
  const expiry = expiresAt !== null && { expiresAt };
  return {
    token: {
      id,
      name: 'Reeve',
      type: 'token',
      origin: 'manual',
      scopes: [
        scope === 'account'
          ? { type: 'user', origin: 'manual', createdAt, ...expiry }
          : { type: 'team', teamId: team, origin: 'manual', createdAt, ...expiry },
      ],
      ...expiry,
      activeAt: createdAt,
      createdAt,
    },
  };
}

export function projectObject({ id, project }: TeamRecord) {
  return {
    id: project,
    name: 'shop',
    accountId: id,
    framework: 'nextjs',
    createdAt: CREATED,
    updatedAt: CREATED,
  };
}
