import { readConfigFields } from '../../lib/config-fields.ts';
import type { Access, Answer, Dialogue, Finding, HttpRequest, Provider } from '../../providers/provider.ts';
import type { IssuedKey, RegisteredClient, Simulator, SimulatorFactory } from '../world/simulator.ts';
import { openStores, type Store } from '../world/store.ts';

export type Key = Pick<IssuedKey, 'api_key' | 'config'>;

/** A provider's file and its simulator, face to face: the probe's requests are sent, and their answers read. */
export interface Probing {
  store: Store;
  simulator: Simulator;
  issue(options?: Record<string, string>): IssuedKey;
  /** The finding, and the status of the last answer that led to it. */
  ask(key: Key): Promise<{ status: number; finding: Finding | undefined }>;
  probe(key: Key): Promise<Finding | undefined>;
}

const NOBODY: RegisteredClient = { id: '', secret: '', redirectUris: [], settings: {} };

export function probing(
  provider: Provider,
  factory: SimulatorFactory,
  now: () => number = Date.now,
): Probing {
  const store = openStores(':memory:').of(provider.id);
  const simulator = factory({ store, client: NOBODY, now, secret: (value) => value });
  const ask = async (key: Key) => {
    const { result, answers } = await hold(provider.probe(accessOf(provider, key)), (request) =>
      sendTo(simulator, request),
    );
    return { status: answers.at(-1)?.status ?? 0, finding: result };
  };
  return {
    store,
    simulator,
    issue: (options) => {
      const issued = simulator.issueKey?.(options);
      if (!issued) throw new Error('no key');
      return issued;
    },
    ask,
    probe: async (key) => (await ask(key)).finding,
  };
}

/** What an answer means that no simulator gives, be it the answer to every request of the probe. */
export function read(provider: Provider, key: Key, status: number, text: string): Finding | undefined {
  const dialogue = provider.probe(accessOf(provider, key));
  let step = dialogue.next();
  while (!step.done) step = dialogue.next(answerOf(status, new Headers(), text));
  return step.value;
}

/** The sentence of a finding that has one. */
export function detailOf(finding: Finding | undefined): string | undefined {
  return finding && 'detail' in finding ? finding.detail : undefined;
}

/** Holds a dialogue with whoever answers. */
export async function hold<Result>(
  dialogue: Dialogue<Result>,
  respond: (request: HttpRequest) => Promise<Answer>,
): Promise<{ result: Result; answers: Answer[] }> {
  const answers: Answer[] = [];
  let step = dialogue.next();
  while (!step.done) {
    const answer = await respond(step.value);
    answers.push(answer);
    step = dialogue.next(answer);
  }
  return { result: step.value, answers };
}

/** Sends a described request to a simulator as the gateway would. */
export async function sendTo(
  simulator: Simulator,
  { url, method, headers, body }: HttpRequest,
): Promise<Answer> {
  if (!simulator.host(new URL(url).hostname)) throw new Error(`nobody answers at ${new URL(url).host}`);
  const response = await simulator.fetch(new Request(url, { method, headers, body: body ?? null }));
  return answerOf(response.status, response.headers, await response.text());
}

function accessOf(provider: Provider, { api_key, config }: Key): Access {
  return { credential: api_key, config: readConfigFields(provider, config), client: NOBODY };
}

function answerOf(status: number, headers: Headers, text: string): Answer {
  try {
    return { status, headers, texts: () => [], json: JSON.parse(text) };
  } catch {
    return { status, headers, texts: () => [], json: undefined };
  }
}
