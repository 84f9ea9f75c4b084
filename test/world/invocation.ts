import { AsyncLocalStorage } from 'node:async_hooks';

/** What one invocation of a Worker may do on the platform: https://developers.cloudflare.com/workers/platform/limits/ */
const CONNECTIONS = 6;
const SUBREQUESTS = 10_000;
/** https://developers.cloudflare.com/kv/platform/limits/ */
const KV_OPERATIONS = 1_000;

interface Invocation {
  /** Requests that wait for their answer to begin. */
  open: number;
  /** Those that wait until one of these has. */
  waiting: (() => void)[];
  subrequests: number;
  kv: number;
}

const invocations = new AsyncLocalStorage<Invocation>();

/** Runs a handler as an invocation of its own, which the platform's bounds hold. */
export function asInvocation<T>(run: () => T): T {
  return invocations.run({ open: 0, waiting: [], subrequests: 0, kv: 0 }, run);
}

/** Counts one of the requests of an invocation, to wherever. Throws, as the platform does, where it has had its number. */
export function countSubrequest(): void {
  const invocation = invocations.getStore();
  if (!invocation) return;
  invocation.subrequests += 1;
  if (invocation.subrequests > SUBREQUESTS) throw new Error('Too many subrequests.');
}

/** The same for an operation on KV. */
export function countKv(): void {
  const invocation = invocations.getStore();
  if (!invocation) return;
  invocation.kv += 1;
  if (invocation.kv > KV_OPERATIONS) throw new Error('Too many API requests by single worker invocation.');
}

/** Has the requests of each invocation wait for one of its six connections, which is free again once an answer begins. */
export function boundConnections(): void {
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    countSubrequest();
    const invocation = invocations.getStore();
    if (!invocation) return real(input, init);
    while (invocation.open >= CONNECTIONS) {
      await new Promise<void>((resolve) => {
        invocation.waiting.push(resolve);
      });
    }
    invocation.open += 1;
    try {
      return await real(input, init);
    } finally {
      invocation.open -= 1;
      invocation.waiting.shift()?.();
    }
  };
}
