import * as z from 'zod';

/** What a provider file may say. Everything here describes; the calls are made in lib/. */
export interface Provider {
  /** Stable id: path segment, primary key, prefix of its environment variables. */
  id: string;
  name: string;
  category: Category;
  docs: string;
  auth: Auth;
  /** What must be known beside the credential, and is no secret. */
  config: Field[];
  /**
   * Where requests may go: hosts, `*.` standing for one label. Of a host that its customer has named, by the config that
   * the credential is sealed with.
   */
  hosts: (config: Config) => readonly string[];
  /** Shows whether a credential works, and whose it is. Undefined leaves the last answer to its status. */
  probe: (access: Access) => Dialogue<Finding | undefined>;
  revocation: Revocation;
  /** Agent tools that a connection enables. */
  tools: string[];
  /** What it enables beside tools, in words. */
  capabilities: string[];
  /** Types of the system events its webhooks become. */
  webhookEvents: string[];
  webhooks?: Webhooks;
}

export type Category =
  | 'commerce'
  | 'payments'
  | 'advertising'
  | 'marketing'
  | 'analytics'
  | 'support'
  | 'communication'
  | 'development';

export type Config = Readonly<Record<string, string>>;

/** An input a person fills in; the catalogue shows it, the grammar is checked before any outside call. */
export interface Field {
  name: string;
  label: string;
  required: boolean;
  /** The field that stands in for this one: exactly one of the two is given. */
  unless?: string;
  /** A regular expression the whole value must match, as in HTML's pattern attribute (flag v). */
  pattern: string;
  /** Where a person finds it in the product. */
  help: string;
  /** Brings what people paste into the one spelling that is kept. */
  normalize?: (value: string) => string;
}

export type Auth = OAuth2 | ApiKey;

/**
 * A talk with the provider, as a file describes and lib/ holds it: each request it yields is answered before the
 * next is made, and what it returns is what the talk was for. Where no answer comes, that is thrown where it waits.
 */
export type Dialogue<Result> = Generator<HttpRequest, Result, Answer>;

/** A key that a person makes in the product's settings and pastes; its `normalize` keeps what is needed of it. */
export interface ApiKey {
  type: 'api_key' | 'service_account';
  key: Field;
  /** Keys that look right but can't be used, each with the sentence that says so. */
  refuse?: (key: string, config: Config) => string | undefined;
  /** Days that such a key lives at most, where nothing tells its own end. */
  lifetimeDays?: (key: string) => number;
  grant?: KeyGrant;
}

/** Where calls are made with an access token, which the key is exchanged for again and again. */
export interface KeyGrant {
  /** Whether it is so for the key that goes with this config. */
  applies: (config: Config) => boolean;
  /** What is signed with the key, for providers that take an assertion (RFC 7523 section 2.1). */
  assertion?: (key: string) => Assertion;
  /** The access token request; `assertion` is the signed JWT, or empty. */
  request: (grant: { key: string; config: Config; assertion: string }) => Dialogue<TokenResult>;
  /** Errors by which the provider says that the key is none, or none any more. */
  dead: readonly string[];
}

/** A JWT signed RS256 (RFC 7515) with a private key in PEM; `iat` and `exp` are added when it is signed. */
export interface Assertion {
  privateKey: string;
  keyId?: string;
  claims: Readonly<Record<string, string>>;
  /** Seconds from `iat` to `exp`. */
  lifetime: number;
}

/** RFC 6749 authorization code grant, with the provider's own habits. */
export interface OAuth2 {
  type: 'oauth';
  authorizationEndpoint: (config: Config) => string;
  /** The authorization request's parameters, made from RFC 6749's own, where they differ. */
  authorizationParameters?: (standard: Record<string, string>) => Record<string, string>;
  /** Empty where the provider's console decides instead. */
  scopes: string[];
  /** Between scopes in the authorization request. */
  scopeSeparator: ' ' | ',';
  /** RFC 7636, S256. */
  pkce: boolean;
  /** What `iss` must be when the callback carries it (RFC 9207). */
  issuer?: string;
  /** The callback's parameter with the authorization code, where it is not `code`. */
  codeParameter?: string;
  /** Whether a callback with neither code nor error is how a person's no is told. */
  deniesWithoutCode?: true;
  callbackSignature?: CallbackSignature;
  grant: Grant;
  /** Exchanges the code for tokens (RFC 6749 section 4.1.3). */
  exchange: (code: CodeExchange) => Dialogue<TokenResult>;
  /** Absent where tokens never end, or end for good. */
  refresh?: Refresh;
  /** Errors by which the provider refuses our own client, whatever the code or token is worth. */
  clientErrors: readonly string[];
  /** Whether a granted scope covers one that was asked; equality unless said. */
  covers?: (granted: readonly string[], asked: string) => boolean;
}

/** What the provider ends as a whole, and what sign-ins do to the tokens that it has given for it. */
export interface Grant {
  /**
   * What it is one of: the account that was signed in to, whatever tokens there are for it; or the token, where each
   * ends for itself alone.
   */
  of: 'account' | 'token';
  /**
   * What another sign-in does to the tokens before it: it adds one beside them, brings the same one again, or takes
   * the refresh tokens before it away while their access tokens live on.
   */
  anotherSignIn: 'adds' | 'repeats' | 'replaces';
  /** The account's id, where it is known before anybody has signed in. */
  account?: (config: Config) => string;
  /** What an account has allowed one client of ours holds for all of the same project, and ends for all of them. */
  spansClients?: true;
  /** Tokens without an end, refresh tokens among them, that there are at most; one more silently ends another. */
  atMost?: number;
}

/** How an access token is renewed (RFC 6749 section 6). */
export interface Refresh {
  request: (grant: RefreshGrant) => Dialogue<TokenResult>;
  /**
   * What a refresh token is worth once it was sent: `always` the same one goes on; else each answer brings another,
   * and the old one works until that is used (so a lost answer can be asked for again), or never.
   */
  reuse: 'always' | 'until_successor_used' | 'never';
  /** Whether tokens are asked for at each account's own host: a limit there is that account's alone. */
  isAccounts?: true;
  /** Seconds after which it is renewed, however long it would live. */
  everySeconds?: number;
  /** Errors by which the provider says that the grant has ended. */
  dead: readonly string[];
}

export interface RefreshGrant {
  client: OAuthClient;
  /** The refresh token; the access token itself where the provider has no refresh tokens. */
  token: string;
  config: Config;
}

/** Ours at the provider. Its id is empty where a provider connects by a key. */
export interface OAuthClient {
  id: string;
  secret: string;
  /** What else is set with the provider's prefix, by the names behind it. */
  settings: Readonly<Record<string, string>>;
}

export interface CodeExchange {
  client: OAuthClient;
  code: string;
  codeVerifier: string | undefined;
  redirectUri: string;
  config: Config;
}

/** A callback whose query is signed with the client secret (HMAC-SHA-256, hex). */
export interface CallbackSignature {
  parameter: string;
  /** The signed text, made from the whole query. */
  message: (query: URLSearchParams) => string;
  /** Parameter with the signing time in unix seconds, and how far it may be from now, in seconds. */
  timestamp: { parameter: string; tolerance: number };
  /** Parameters that must be there, and equal the flow's config of the same name. */
  bound: string[];
}

export interface Tokens {
  accessToken: string;
  refreshToken?: string;
  /** Seconds from now; absent: no end is known. */
  expiresIn?: number;
  refreshTokenExpiresIn?: number;
  /** Absent where the answer does not tell. */
  scopes?: string[];
  /** The account that the grant is of, where the answer tells before anybody asks. */
  account?: string;
}

/** `brought` is what came all the same, and lives at the provider: it cannot be kept, and is to be ended. */
export type TokenResult =
  | { tokens: Tokens }
  /** As in RFC 6749 section 5.2, with a sentence for a person where there is more to say. */
  | { error: string; detail?: string; brought?: Tokens }
  /** Too many requests; seconds to wait where the provider tells. */
  | { limited: number | undefined; brought?: Tokens }
  | { unreadable: true; brought?: Tokens };

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** Of the answer, where it may be more than is read of others. */
  maxBytes?: number;
  /** A redirect is an answer, of which no body is read; it is followed as little as any. */
  takesRedirect?: true;
}

/** What came back, read to a bound. `json` is undefined where the body is no JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  json: unknown;
  /** The JSON texts of the members of an array that stands at `path`; numbers are written as they were. */
  texts: (...path: string[]) => string[];
}

/** What a call on behalf of a connection is made with. */
export interface Access {
  credential: string;
  config: Config;
  client: OAuthClient;
  /** The account that the connection is pinned to, where it exists already. */
  pinned?: string | undefined;
}

export interface Account {
  id: string;
  name: string | null;
}

export type Finding =
  | {
      finding: 'works';
      account: Account;
      /** Permissions as the provider tells them now. */
      scopes?: string[];
      missing?: string[];
      /** When the credential ends at the latest, and only a person can make another. */
      endsAt?: Date;
    }
  | { finding: 'refused'; detail?: string }
  | { finding: 'insufficient'; detail?: string }
  /** The provider refuses our own client, which says nothing of the credential; `reason` is for the log. */
  | { finding: 'client_refused'; reason: string }
  /** Too many requests; seconds to wait where the provider tells. */
  | { finding: 'limited'; retryAfter?: number };

/**
 * How access ends at the provider: all of a grant, one token of it, or by a person's click. `help` says what is
 * left to a person where not all ends.
 */
export type Revocation =
  | {
      grant: RevocationRequest;
      /** Ends one token and leaves the rest of the grant alone. */
      token?: RevocationRequest;
      /** The config field that tells credentials which can be ended from those which cannot, where some cannot. */
      only?: string;
      help?: string;
    }
  | { unsupported: string };

export interface RevocationRequest {
  /** Which of a connection's tokens is presented, as RFC 7009 section 2.1 calls them; the access token unless said. */
  tokenTypeHint?: 'refresh_token';
  request: (access: Access) => HttpRequest;
  /** Whether the answer means that access has ended, now or before. */
  ended: (answer: Answer) => boolean;
  /** Whether it says so of a token that had ended before, which says nothing of others on its grant; no 2xx unless said. */
  endedBefore?: (answer: Answer) => boolean;
  /** What ends the same in our app's own name, and is asked where the token had ended before. */
  byApp?: Omit<RevocationRequest, 'tokenTypeHint' | 'byApp'>;
}

/** How a provider tells what happens there. */
export interface Webhooks {
  /** Of a body. */
  maxBytes: number;
  signature: WebhookSignature;
  /** The secrets that sign for all connections alike; absent where each connection has one of its own. */
  clientSecrets?: (client: OAuthClient) => (string | undefined)[];
  /** Whether all that was registered goes with the grant. */
  endsWithGrant?: true;
  /** Seconds after which what stands is looked at again; a day unless said. */
  everySeconds?: number;
  /** Where a connection's owner chooses what is watched: what there is to choose from, a page at a time. */
  choices?: (access: Access, page: number) => Dialogue<Choices>;
  /** What a rightly signed delivery says; undefined where it is none that this provider sends. */
  read: (delivery: WebhookDelivery) => Told | undefined;
  /** Sees to it that what happens is told at `url`: adopts what is there, makes what is missing. */
  register: (access: Access, wanted: WantedWebhooks) => Dialogue<Registration>;
  /**
   * Takes away what `register` has made. True once it is gone, now or before; else what is left, where that is known.
   * `out_of_reach` is what may stand there and this credential cannot take away, now or ever.
   * Absent where nothing is a connection's own.
   */
  unregister?: (
    access: Access,
    ended: EndedWebhooks,
  ) => Dialogue<boolean | 'out_of_reach' | { left: Registered[] }>;
  /** Asks for what we may have been told in vain, and has it told again where that can be had. */
  missed?: (access: Access, gap: Gap) => Dialogue<Missed>;
  /** The same for what the app as a whole is told: as whom the app signs in (RFC 7519), and what it asks with that. */
  missedByApp?: {
    assertion: (client: OAuthClient) => Assertion | undefined;
    ask: (assertion: string, gap: Gap) => Dialogue<Missed>;
  };
}

/** HMAC-SHA-256 over the body, by a secret that both know. */
export interface WebhookSignature {
  header: string;
  /** What the header says; undefined where it is not written as the provider writes it. */
  read: (header: string) => WebhookMac | undefined;
  /** Seconds that the signed time may be from now, either way. */
  tolerance?: number;
}

export interface WebhookMac {
  /** 32 bytes each; more than one while a secret is being changed. */
  macs: Uint8Array<ArrayBuffer>[];
  /** What is signed before the body. */
  prefix?: string;
  /** Unix seconds, where it is signed. */
  time?: number;
}

export interface WebhookDelivery {
  headers: Headers;
  json: unknown;
}

/** What a delivery says. Headers that nobody has signed are hints: they must fit the body and the connection. */
export interface Told {
  /** What happened, by the provider's own name. */
  topic: string;
  /** The system event that it is; absent where the agent is not told. */
  type?: string;
  /** Names the delivery, or what happened: the same again at every repeat. */
  id?: string;
  /** Whether the id is signed, so that nobody else can choose it. */
  isIdSigned?: true;
  /** What it is about, and as of when: two deliveries of a topic that say the same of it say nothing new. */
  subject?: string;
  occurredAt?: Date;
  /** Must be so of the connection: its config, and the facts of its registration. */
  facts: Readonly<Record<string, string | boolean>>;
  /** Whose it is, where a connection may be another account's by now. */
  account?: string;
  /** Of deliveries to the app as a whole: whose connections it is for. */
  route?: string;
  /** By which route those are found who may come to be known under that one: it may have been made just now. */
  within?: string;
  /** What it means for the connections themselves: their access may have ended, or changed. */
  meaning?: 'ended' | 'changed' | 'forget_customer' | 'forget_account' | 'customer_asks';
}

export type Choices =
  | { choices: { name: string; watchable: boolean }[]; hasMore: boolean }
  | { refused: true };

export interface WantedWebhooks {
  url: string;
  /** A secret to sign with, for providers that take one. */
  secret: string;
  /** Whether that is the one that what stands is signed with. */
  isSecretKnown: boolean;
  /**
   * Deliveries have not fitted that secret, and none has since. `possible` where nobody can say whether the provider has
   * sent them: anybody may have.
   */
  misfit?: 'certain' | 'possible' | undefined;
  /** What stands already, as far as we know. */
  registered: readonly Registered[];
  /** What its owner has chosen to watch. */
  watched: readonly string[];
  /** Unix milliseconds from which on nothing more is begun. */
  until: number;
}

/** Time within which something may have been missed. */
export interface Gap {
  since: Date;
  until: Date;
  /** What has stood at the provider. */
  registered: readonly Registered[];
}

export type Missed =
  | {
      /** What happened and may not be known; what is known is told by its id or subject. */
      deliveries: MissedDelivery[];
      /** Up to where it was looked for. */
      until: Date;
      /** Whether there is more to be had at once. */
      hasMore: boolean;
    }
  /** The provider does not tell, now or ever. */
  | { unable: true };

export interface MissedDelivery {
  /** JSON, as it would have come. */
  text: string;
  told: Told;
}

export interface EndedWebhooks {
  url: string;
  registered: readonly Registered[];
  /** What stands at the same url and is in use. */
  kept: readonly Registered[];
}

export interface Registered {
  /** Empty where nobody knows whether it stands. */
  id: string;
  /** What it is on, where there are several. */
  target?: string;
  /** There was no time for it yet; what is without this has been seen to. */
  isUnseen?: true;
}

export type Registration =
  | {
      registered: Registered[];
      /** The secret that deliveries are signed with from now on; absent where it is as before. */
      secret?: string;
      /** What is signed with the secret before still comes. */
      isFormerInUse?: boolean;
      facts?: Record<string, string | boolean>;
      routes?: string[];
      /** What could not be registered, in a sentence for the connection's owner. */
      failed?: string;
      /** Seconds until the rest is to be done, where there is some that has been left. */
      again?: number;
    }
  | { failed: string }
  | { limited: number | undefined };

/** RFC 6749 section 5.1, with what servers send instead of numbers; unusable values count as absent. */
export const tokenResponse = z.object({
  access_token: z.string().min(1),
  token_type: z.string().optional(),
  expires_in: z.unknown().transform(seconds).optional(),
  refresh_token: z.unknown().transform(text).optional(),
  refresh_token_expires_in: z.unknown().transform(seconds).optional(),
  scope: z
    .unknown()
    .transform((value) => (typeof value === 'string' ? value : undefined))
    .optional(),
});

/** RFC 6749 section 5.2. */
export const tokenError = z.object({ error: z.string().min(1) });

/** The tokens of an RFC 6749 answer; `scope` is split at white space and commas. */
export function toTokens(body: z.infer<typeof tokenResponse>): Tokens {
  return {
    accessToken: body.access_token,
    ...(body.refresh_token !== undefined && { refreshToken: body.refresh_token }),
    ...(body.expires_in !== undefined && { expiresIn: body.expires_in }),
    ...(body.refresh_token_expires_in !== undefined && {
      refreshTokenExpiresIn: body.refresh_token_expires_in,
    }),
    ...(body.scope !== undefined && { scopes: scopeList(body.scope) }),
  };
}

/** An RFC 6749 answer: tokens, or the error that stands in the body whatever the status. */
export function readTokenResponse(answer: Answer): TokenResult {
  const error = tokenError.safeParse(answer.json);
  if (error.success) return { error: error.data.error };
  const tokens = tokenResponse.safeParse(answer.json);
  const bearer = tokens.success && (tokens.data.token_type ?? 'bearer').toLowerCase() === 'bearer';
  if (answer.status === 200 && bearer) return { tokens: toTokens(tokens.data) };
  return { unreadable: true, ...broughtBy(answer) };
}

const anyToken = z.object({
  access_token: z.string().min(1),
  refresh_token: z.unknown().transform(text).optional(),
});

/** The tokens in an answer that is odd in another way. */
export function broughtBy({ json }: Pick<Answer, 'json'>): { brought?: Tokens } {
  const { data } = anyToken.safeParse(json);
  if (!data) return {};
  const { access_token: accessToken, refresh_token: refreshToken } = data;
  return { brought: { accessToken, ...(refreshToken !== undefined && { refreshToken }) } };
}

/** Scopes as answers and headers list them, between commas or spaces. */
export function scopeList(text: string): string[] {
  return text.split(/[\s,]+/).filter((scope) => scope !== '');
}

/** Client authentication by HTTP Basic (RFC 6749 section 2.3.1). */
export function clientSecretBasic(client: OAuthClient): string {
  return `Basic ${btoa(`${encodeURIComponent(client.id)}:${encodeURIComponent(client.secret)}`)}`;
}

export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): HttpRequest {
  return {
    method: 'POST',
    url,
    headers: { accept: 'application/json', 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
}

export function postForm(
  url: string,
  fields: Readonly<Record<string, string | undefined>>,
  headers: Record<string, string> = {},
): HttpRequest {
  const given = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return {
    method: 'POST',
    url,
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(given).toString(),
  };
}

export function getJson(url: string, headers: Record<string, string> = {}): HttpRequest {
  return { method: 'GET', url, headers: { accept: 'application/json', ...headers } };
}

/** Bytes of lower-case hex; undefined for anything else (Node and browsers read around what is none). */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^([0-9a-f]{2})+$/.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Lifetimes over ten years, under a second or not a number are no lifetimes. */
function seconds(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  return number >= 1 && number <= 315_360_000 ? Math.floor(number) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Whether something is told at a connection's own address, be it at the host of a PUBLIC_URL that has changed since. */
export function isOwnAddress(url: string, own: string): boolean {
  return URL.parse(url)?.pathname === new URL(own).pathname;
}
