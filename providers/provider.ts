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
  probe: Probe;
  revocation: Revocation;
  /** Agent tools that a connection enables. */
  tools: string[];
  /** What it enables beside tools, in words. */
  capabilities: string[];
  /** Types of the system events its webhooks become. */
  webhookEvents: string[];
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
  /** A regular expression the whole value must match, as in HTML's pattern attribute (flag v). */
  pattern: string;
  /** Where a person finds it in the product. */
  help: string;
  /** Brings what people paste into the one spelling that is kept. */
  normalize?: (value: string) => string;
}

export type Auth = OAuth2 | ApiKey;

/** A key that a person makes in the product's settings and pastes. */
export interface ApiKey {
  type: 'api_key';
  key: Field;
  /** Keys that look right but can't be used, each with the sentence that says so. */
  refuse?: (key: string) => string | undefined;
}

/** RFC 6749 authorization code grant, with the provider's own habits. */
export interface OAuth2 {
  type: 'oauth';
  authorizationEndpoint: (config: Config) => string;
  scopes: string[];
  /** Between scopes in the authorization request. */
  scopeSeparator: ' ' | ',';
  /** RFC 7636, S256. */
  pkce: boolean;
  /** What `iss` must be when the callback carries it (RFC 9207). */
  issuer?: string;
  callbackSignature?: CallbackSignature;
  /** The access token request (RFC 6749 section 4.1.3). */
  codeRequest: (exchange: CodeExchange) => HttpRequest;
  /** Reads the token endpoint's answer. */
  tokens: (answer: Answer) => TokenResult;
  /** Whether a granted scope covers one that was asked; equality unless said. */
  covers?: (granted: readonly string[], asked: string) => boolean;
}

export interface OAuthClient {
  id: string;
  secret: string;
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
  /** Parameters that must equal the flow's config of the same name. */
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
}

export type TokenResult = { tokens: Tokens } | { error: string } | { unreadable: true };

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  url: string;
  headers: Record<string, string>;
  body?: string;
}

/** What came back, read to a bound. `json` is undefined where the body is no JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  json: unknown;
}

/** What a call on behalf of a connection is made with. */
export interface Access {
  credential: string;
  config: Config;
}

export interface Account {
  id: string;
  name: string | null;
}

/** One request that shows whether a credential works, and whose it is. */
export interface Probe {
  request: (access: Access) => HttpRequest;
  /** Undefined leaves the answer to its status: 401 refused, 403 insufficient, the rest unexpected. */
  read: (answer: Answer, access: Access) => Finding | undefined;
}

export type Finding =
  | {
      finding: 'works';
      account: Account;
      /** Permissions as the provider tells them now. */
      scopes?: string[];
      missing?: string[];
    }
  | { finding: 'refused'; detail?: string }
  | { finding: 'insufficient'; detail?: string };

/** How access ends at the provider: all of a grant, one token of it, or by a person's click. */
export type Revocation =
  | {
      grant: RevocationRequest;
      /** Ends one token and leaves the rest of the grant alone. */
      token?: RevocationRequest;
    }
  | { unsupported: string };

export interface RevocationRequest {
  request: (access: Access & { client: OAuthClient }) => HttpRequest;
  /** Whether the answer means that access has ended, now or before. */
  ended: (answer: Answer) => boolean;
}

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
    ...(body.scope !== undefined && { scopes: body.scope.split(/[\s,]+/).filter((scope) => scope !== '') }),
  };
}

/** An RFC 6749 answer: tokens, or the error that stands in the body whatever the status. */
export function readTokenResponse(answer: Answer): TokenResult {
  const error = tokenError.safeParse(answer.json);
  if (error.success) return { error: error.data.error };
  const tokens = tokenResponse.safeParse(answer.json);
  const bearer = tokens.success && (tokens.data.token_type ?? 'bearer').toLowerCase() === 'bearer';
  return answer.status === 200 && bearer ? { tokens: toTokens(tokens.data) } : { unreadable: true };
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

/** Lifetimes over ten years, under a second or not a number are no lifetimes. */
function seconds(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  return number >= 1 && number <= 315_360_000 ? Math.floor(number) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
