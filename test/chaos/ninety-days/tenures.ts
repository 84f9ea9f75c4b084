import { createHash, randomBytes } from 'node:crypto';
import { Client, type Reply } from '../../support/client.ts';
import { connectByOAuth } from '../../support/flows.ts';
import { connect, issueKey } from '../../support/keys.ts';
import { type Life, lives } from '../../support/lives.ts';
import { githubAppSettings } from '../../world/providers/github.ts';
import { LIFETIME as ofGoogle } from '../../world/providers/google-ads/grants.ts';
import { LIFETIME as ofMeta } from '../../world/providers/meta/records.ts';
import type { StagedWorld } from '../stage.ts';
import { DAY } from './days.ts';

/** developer.zendesk.com/documentation/api-basics/authentication/oauth-migration */
export const LAST_API_TOKENS = Date.parse('2027-04-30T00:00:00Z');

/** What somebody connects with, and connects again with once it has ended. */
interface Terms {
  /** Options of the nth key. */
  key?: (nth: number) => Record<string, string>;
  account?: string;
  /** Milliseconds that the nth credential lives, however often it is renewed; absent where it has no end. */
  lasts?: (nth: number, now: number) => number | undefined;
  /** How often they connect; without it, whenever an end has come. */
  times?: number;
  /** Nobody ever tests it. */
  isIdle?: boolean;
}

/** One connection of one person over all the days. */
export interface Tenure extends Terms {
  name: string;
  provider: string;
  world: StagedWorld;
  client: Client;
}

const lifeOf = (provider: string): Life => {
  const life = lives.find((each) => each.provider === provider);
  if (!life) throw new Error(`no life of ${provider}`);
  return life;
};

const vercel = (...days: number[]): Terms => ({
  key: (nth) => ({ expiresIn: String(Math.round((days[nth] ?? 60) * 86_400)) }),
  lasts: (nth) => (days[nth] ?? 60) * DAY,
});

/** Who lives in a world, and what differs there. */
export interface Cast {
  env: Record<string, string>;
  settings: [provider: string, setting: string][];
  people: [life: Life, way: string, terms: Terms][];
}

/** Everything there is, GitHub as an OAuth App; then GitHub as an App, and what else differs at the providers. */
export function casts(): Cast[] {
  const ends: Record<string, Terms> = {
    meta: { lasts: () => ofMeta.long * 1_000 },
    figma: { lasts: () => 90 * DAY },
    'an old API token': {
      key: (nth) => ({ kind: nth === 0 ? 'api_token' : 'oauth_client', subdomain: 'globex' }),
      lasts: (nth, now) => (nth === 0 ? LAST_API_TOKENS - now : undefined),
    },
  };
  const usual = (life: Life): Cast['people'][number] => [
    life,
    life.way,
    ends[life.way] ?? ends[life.provider] ?? {},
  ];
  // The two worlds bear as much each.
  const elsewhere = (life: Life) => life.provider === 'ga4' || life.way === 'a GitHub App';
  const extended = { lasts: () => ofMeta.data * 1_000 };
  const app = Object.entries(githubAppSettings).map(([name, make]) => [`GITHUB_${name}`, make()]);
  return [
    {
      env: {},
      settings: [
        ['slack', 'rotation'],
        ['github', 'expiring'],
      ],
      people: lives.filter((life) => !elsewhere(life)).map(usual),
    },
    {
      env: Object.fromEntries(app),
      settings: [
        ['google_ads', 'testing'],
        ['meta', 'exchangeExtends'],
      ],
      people: [
        ...lives.filter(elsewhere).map(usual),
        [lifeOf('google_ads'), 'signing in, Testing', { lasts: () => ofGoogle.testing * 1_000, times: 2 }],
        [lifeOf('slack'), 'signing in, without rotation', {}],
        [lifeOf('meta'), 'signing in, exchanges extend', extended],
        [lifeOf('meta'), 'the same, idle', { ...extended, account: 'Otto Brandt', isIdle: true }],
        [lifeOf('vercel'), 'a token of 2 hours, then 30 days', vercel(1 / 12, 30)],
        [lifeOf('vercel'), 'a token of a week and 4 hours, then 45 days', vercel(7 + 1 / 6, 45)],
      ],
    },
  ];
}

/** Everybody of a cast with a session, and nothing connected yet. */
export async function settle(world: StagedWorld, { settings, people }: Cast): Promise<Tenure[]> {
  for (const [provider, setting] of settings) world.store(provider).set(`settings.${setting}`, true);
  const tenures: Tenure[] = [];
  for (const [life, way, terms] of people) {
    const token = `session-${randomBytes(24).toString('base64url')}`;
    const hash = createHash('sha256').update(token).digest('hex');
    await world.sql(
      `with person as (insert into users (name) values ('Somebody') returning id)
       insert into sessions (id, user_id, expires_at) select $1, id, now() + interval '1 year' from person`,
      [hash],
    );
    const { key, provider } = life;
    tenures.push({
      ...(key && { key: () => key }),
      ...terms,
      name: `${provider} by ${way}`,
      provider,
      world,
      client: new Client(world, token),
    });
  }
  return tenures;
}

/** Connects, or connects again. */
export async function connectAgain(
  { world, client, provider, key, account }: Tenure,
  nth: number,
): Promise<Reply> {
  const reply = key
    ? await connect(client, provider, issueKey(world, provider, key(nth)))
    : await connectByOAuth(client, provider, account === undefined ? {} : { account });
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`${provider}: ${reply.text}`);
  return reply;
}
