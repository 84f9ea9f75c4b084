import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { authorizationUrl } from '../../lib/oauth/authorization-request.ts';
import type {
  Access,
  Answer,
  Config,
  Finding,
  HttpRequest,
  OAuth2,
  OAuthClient,
  Provider,
  RevocationRequest,
  TokenResult,
  Tokens,
} from '../../providers/provider.ts';
import type { RegisteredClient, Simulator, SimulatorFactory } from '../world/simulator.ts';
import { openStores, type Store } from '../world/store.ts';
import { hold, sendTo } from './probing.ts';

/** What the person does on the consent screen; as it stands there, without it. */
export interface Choice {
  account?: string;
  scopes?: string[];
  config?: Config;
}

/** A provider that people sign in to and its simulator, face to face, with our client registered there. */
export interface SigningIn {
  store: Store;
  simulator: Simulator;
  /** Ours; a test may bend it. */
  client: OAuthClient;
  /** Moves the provider's clock, seconds ahead. */
  wait(seconds: number): void;
  /** The address that the browser comes back to. */
  comeBack(choice?: Choice): Promise<URL>;
  exchange(back: URL, config?: Config): Promise<TokenResult>;
  /** A whole sign-in. */
  signIn(choice?: Choice): Promise<Tokens>;
  refresh(token: string, config?: Config): Promise<TokenResult>;
  probe(access: Pick<Access, 'credential'> & Partial<Access>): Promise<Finding | undefined>;
  /** Sends a revocation, and reads whether access has ended. */
  end(revocation: RevocationRequest, credential: string, more?: Partial<Access>): Promise<boolean>;
}

const CALLBACK = 'https://connect.example/callback';

export function signingIn(
  provider: Provider & { auth: OAuth2 },
  factory: SimulatorFactory,
  settings: Record<string, string> = {},
): SigningIn {
  const { auth } = provider;
  let ahead = 0;
  const registered: RegisteredClient = {
    id: `client-${randomBytes(4).toString('hex')}`,
    secret: randomBytes(20).toString('hex'),
    redirectUris: [CALLBACK],
    settings,
  };
  const client = { id: registered.id, secret: registered.secret, settings };
  const store = openStores(':memory:').of(provider.id);
  const now = () => Date.now() + ahead;
  const simulator = factory({ store, client: registered, now, secret: (value) => value });
  const send = (request: HttpRequest) => sendTo(simulator, request);
  const codeVerifier = randomBytes(32).toString('base64url');

  const world: SigningIn = {
    store,
    simulator,
    client,
    wait: (seconds) => {
      ahead += seconds * 1000;
    },

    async comeBack({ account, scopes, config = {} } = {}) {
      const flow = { state: 'state', codeVerifier, redirectUri: CALLBACK, config };
      const url = authorizationUrl(auth, client, flow);
      const html = await (await simulator.fetch(new Request(url))).text();
      const all = (pattern: RegExp) => [...html.matchAll(pattern)].map(([, value = '']) => value);
      const form = new URLSearchParams({
        decision: 'approve',
        account: account ?? all(/<option>([^<]*)<\/option>/g)[0] ?? '',
      });
      for (const scope of scopes ?? all(/name="scopes" value="([^"]*)"/g)) form.append('scopes', scope);
      const answer = await simulator.fetch(new Request(url, { method: 'POST', body: form }));
      expect(answer.headers.get('location'), html).not.toBeNull();
      return new URL(answer.headers.get('location') ?? '');
    },

    async exchange(back, config = {}) {
      const code = back.searchParams.get(auth.codeParameter ?? 'code') ?? '';
      const verifier = auth.pkce ? codeVerifier : undefined;
      const exchange = { client, code, codeVerifier: verifier, redirectUri: CALLBACK, config };
      return (await hold(auth.exchange(exchange), send)).result;
    },

    async signIn(choice = {}) {
      const result = await world.exchange(await world.comeBack(choice), choice.config);
      if (!('tokens' in result)) throw new Error(JSON.stringify(result));
      return result.tokens;
    },

    async refresh(token, config = {}) {
      if (!auth.refresh) throw new Error('nothing to refresh');
      return (await hold(auth.refresh.request({ client, token, config }), send)).result;
    },

    async probe(access) {
      return (await hold(provider.probe({ config: {}, client, ...access }), send)).result;
    },

    async end(revocation, credential, more = {}) {
      return revocation.ended(await send(revocation.request({ credential, config: {}, client, ...more })));
    },
  };
  return world;
}

/** An answer as it would come, for those that no simulator gives. */
export function answer(status: number, json?: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: new Headers(headers), texts: () => [], json };
}

/** What a dialogue makes of such an answer, be it the answer to every request of it. */
export async function made<Result>(
  dialogue: Generator<HttpRequest, Result, Answer>,
  ...answers: Answer[]
): Promise<Result> {
  let last = answers[0] ?? answer(500);
  return (await hold(dialogue, async () => (last = answers.shift() ?? last))).result;
}
