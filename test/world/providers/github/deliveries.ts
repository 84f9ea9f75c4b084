import type { SimulatorContext } from '../../simulator.ts';
import type { App } from './app.ts';
import type { Hook, HookBook } from './hooks.ts';
import { signGithub, signGithubSha1 } from './signature.ts';

/** What a hook is told. */
export interface Message {
  /** Names what has happened: each hook that hears of it gets the same, and so does each redelivery. */
  guid: string;
  event: string;
  action: string | null;
  installation: number | null;
  repository: number | null;
  /** The body byte for byte, and its type. */
  body: string;
  contentType: string;
}

/** One attempt to tell it. */
export interface Delivery extends Message {
  id: number;
  hook: number;
  url: string;
  deliveredAt: number;
  redelivery: boolean;
  /** Seconds. */
  duration: number;
  status: string;
  statusCode: number;
  headers: Record<string, string>;
  /** Null where no answer came. */
  response: { headers: Record<string, string>; payload: string } | null;
}

const FIRST_ID = 12_077_000_000;
/** Milliseconds within which the receiver answers (handling-failed-webhook-deliveries). */
const PATIENCE = 10_000;
/** redelivering-webhooks: what is older is neither listed nor delivered again. */
const KEPT = 3 * 86_400_000;

export function deliveryRecords({ store }: Pick<SimulatorContext, 'store'>): Delivery[] {
  return store.list<Delivery>('delivery/');
}

export type DeliveryBook = ReturnType<typeof deliveryBook>;

/** Sends, and remembers what it sent; nothing is ever sent again unless somebody asks for it. */
export function deliveryBook(context: SimulatorContext, hooks: HookBook, app: App | null) {
  const { store, now } = context;

  async function send(hook: Hook, message: Message, redelivery = false): Promise<Delivery> {
    const sequence = (store.get<number>('delivery-sequence') ?? 0) + 1;
    store.set('delivery-sequence', sequence);
    const headers = headersOf(hook, message, app);
    const deliveredAt = now();
    const started = performance.now();
    const answer = await post(
      hook.config.url,
      headers,
      message.body,
      store.get<number>('settings.hookTimeout') ?? PATIENCE,
    );
    const delivery: Delivery = {
      ...message,
      ...answer,
      id: FIRST_ID + sequence,
      hook: hook.id,
      url: hook.config.url,
      headers,
      deliveredAt,
      redelivery,
      duration: Math.round(performance.now() - started) / 1000,
    };
    store.set(`delivery/${delivery.id}`, delivery);
    const isGood = answer.status === 'OK';
    hooks.answered(hook, {
      code: answer.statusCode,
      status: isGood ? 'active' : null,
      message: answer.status,
    });
    return delivery;
  }

  const of = (hook: Hook) =>
    deliveryRecords(context)
      .filter((delivery) => delivery.hook === hook.id && now() - delivery.deliveredAt < KEPT)
      .reverse();

  return {
    send,
    /** Those of a hook, newest first. */
    of,
    find: (hook: Hook, id: number) => of(hook).find((delivery) => delivery.id === id),
    redeliver: (hook: Hook, delivery: Delivery) => send(hook, delivery, true),
  };
}

/** Starts what is to happen behind the answer that is on its way. */
export function later(work: () => Promise<unknown>): void {
  // The world may have ended meanwhile, and its memory with it.
  setTimeout(() => void work().catch(() => undefined));
}

function headersOf(hook: Hook, message: Message, app: App | null): Record<string, string> {
  const { secret } = hook.config;
  const target =
    hook.repository === null ? ['integration', app?.id] : (['repository', hook.repository] as const);
  return {
    Accept: '*/*',
    'Content-Type': message.contentType,
    'User-Agent': 'GitHub-Hookshot/8e9b331',
    'X-GitHub-Delivery': message.guid,
    'X-GitHub-Event': message.event,
    'X-GitHub-Hook-ID': String(hook.id),
    'X-GitHub-Hook-Installation-Target-ID': String(target[1]),
    'X-GitHub-Hook-Installation-Target-Type': String(target[0]),
    ...(secret !== null && {
      'X-Hub-Signature': signGithubSha1(message.body, secret),
      'X-Hub-Signature-256': signGithub(message.body, secret),
    }),
  };
}

type Answer = Pick<Delivery, 'status' | 'statusCode' | 'response'>;

/** A redirection is not followed; where nobody answers, the code is the one in the REST description's example. */
async function post(
  url: string,
  headers: Record<string, string>,
  body: string,
  patience: number,
): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(patience);
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    const payload = await response.text();
    return {
      status: response.ok ? 'OK' : `Invalid HTTP Response: ${response.status}`,
      statusCode: response.status,
      response: { headers: Object.fromEntries(response.headers), payload },
    };
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return isLate
      ? { status: 'timed out', statusCode: 504, response: null }
      : { status: 'failed to connect to host', statusCode: 502, response: null };
  }
}
