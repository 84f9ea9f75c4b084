import type { Fault } from '../../world/gateway.ts';
import type { StagedWorld } from '../stage.ts';

type Bend = Pick<Fault, 'respond' | 'drop'>;

/** One way of signing in, and what its simulator must be told for the probe of a sign-in to fail. */
export interface Way {
  name: string;
  provider: string;
  /** GitHub knows us as an App. */
  isApp?: true;
  settings?: Record<string, boolean>;
  /** Where a person signs in; of Shopify the shop. */
  account: string;
  /** Another account, for sign-ins that meet a connection which speaks for that one. */
  other: string;
  /** The requests of its probe, as `METHOD host/path`. */
  probe: RegExp;
  /** A permission is missing: a box that is left unticked, or what the provider answers then. */
  missing: { unticked: true } | { at: RegExp; respond: NonNullable<Fault['respond']> };
}

const json = (status: number, body: unknown) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

const slack = {
  provider: 'slack',
  account: 'Acme',
  other: 'Globex',
  probe: / slack\.com\/api\/auth\.test$/,
  // A box that is left unticked makes a connection there, with what is missing told.
  missing: {
    at: / slack\.com\/api\/auth\.test$/,
    respond: json(200, { ok: false, error: 'missing_scope', needed: 'team:read', provided: 'chat:write' }),
  },
} satisfies Partial<Way>;

const tiktok = {
  provider: 'tiktok',
  account: 'ads@kettle.example',
  other: 'agency@globex.example',
  probe: / business-api\.tiktok\.com\/open_api\/v1\.3\/oauth2\/advertiser\/get\/$/,
  missing: {
    at: /\/oauth2\/advertiser\/get\/$/,
    respond: json(200, { code: 40_001, message: 'No permission to operate.', request_id: '1', data: {} }),
  },
} satisfies Partial<Way>;

const github = {
  provider: 'github',
  account: 'octocat',
  other: 'hubot',
  probe: /^GET api\.github\.com\/user(\/installations)?$/,
} satisfies Partial<Way>;

const forbidden = json(403, { message: 'Resource not accessible by integration' });

export const ways: readonly Way[] = [
  {
    name: 'Shopify',
    provider: 'shopify',
    account: 'shop-common.myshopify.com',
    other: 'shop-other.myshopify.com',
    probe: /^POST [a-z-]+\.myshopify\.com\/admin\/api\/[\d-]+\/graphql\.json$/,
    // A merchant gives all that an app asks for, or nothing.
    missing: {
      at: /\/graphql\.json$/,
      respond: json(200, {
        errors: [{ message: 'Access denied for shop field.', extensions: { code: 'ACCESS_DENIED' } }],
        data: null,
      }),
    },
  },
  {
    name: 'Meta Ads',
    provider: 'meta',
    account: 'Nora Lind',
    other: 'Otto Brandt',
    probe: /^GET graph\.facebook\.com\/v[\d.]+\/(debug_token|me|me\/permissions)$/,
    missing: {
      at: /^GET graph\.facebook\.com\/v[\d.]+\/me\/permissions$/,
      respond: json(403, {
        error: { code: 200, type: 'OAuthException', message: '(#200) Permissions error' },
      }),
    },
  },
  {
    name: 'Google Ads',
    provider: 'google_ads',
    account: 'ada@acme.example',
    other: 'max@agency.example',
    probe: / (googleads\.googleapis\.com|openidconnect\.googleapis\.com)\//,
    missing: { unticked: true },
  },
  { ...tiktok, name: 'TikTok Ads' },
  { ...tiktok, name: 'TikTok Ads, the same token at each sign-in', settings: { sameToken: true } },
  { ...slack, name: 'Slack' },
  { ...slack, name: 'Slack with token rotation', settings: { rotation: true } },
  {
    ...github,
    name: 'GitHub as an OAuth App',
    missing: { at: github.probe, respond: forbidden },
  },
  {
    ...github,
    name: 'GitHub as a GitHub App',
    isApp: true,
    missing: { at: /\/user\/installations$/, respond: forbidden },
  },
];

export const failures = [
  'status 500',
  'status 429',
  'no answer',
  'no JSON',
  'a permission missing',
  'another account',
] as const;
export type Failure = (typeof failures)[number];

const bends: Partial<Record<Failure, Bend>> = {
  'status 500': { respond: { status: 500, body: '<!doctype html><title>Oops</title>' } },
  'status 429': { respond: { status: 429, headers: { 'retry-after': '30' }, body: '{}' } },
  'no answer': { drop: 'before' },
  'no JSON': { respond: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":tr' } },
};

/** Bends the probe, and nothing else that the provider is asked, until the world's next reset. */
export function bendProbe(world: StagedWorld, way: Way, failure: Failure): void {
  const lacks = failure === 'a permission missing' && 'at' in way.missing ? way.missing : undefined;
  const bend = lacks ?? bends[failure];
  const at = lacks?.at ?? way.probe;
  if (!bend) return;
  world.gateway.decide(({ provider, method, host, path }) => {
    const { respond, drop } = { respond: undefined, drop: undefined, ...bend };
    if (provider !== way.provider || !at.test(`${method} ${host}${path}`)) return undefined;
    return { ...(respond && { respond }), ...(drop && { drop }) };
  });
}

/** Whether a person has to leave a box unticked for that. */
export const isUnticked = (way: Way, failure: Failure) =>
  failure === 'a permission missing' && 'unticked' in way.missing;
