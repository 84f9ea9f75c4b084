/** What is to be done with what is found, in bytes. */
interface Watcher {
  /** What is in use; near the limit, what of it is still held. */
  isFound(bytes: number): void;
  /** More is held than the platform gives, which ends an isolate for that. */
  isExceeded(): void;
}

interface Usage {
  usedSize: number;
  embedderHeapUsedSize?: number;
  backingStorageSize?: number;
}

interface Reply {
  id?: number;
  result?: unknown;
}

/** Of an isolate on the platform: https://developers.cloudflare.com/workers/platform/limits/#memory */
const LIMIT = 128 * 1024 * 1024;
/** Beyond this much it is asked what of it is still held: the runtime here has no reason of its own to collect it. */
const NEAR = 96 * 1024 * 1024;
const EVERY_MS = 25;

/**
 * Looks at the memory of a Worker's isolate by its inspector (https://chromedevtools.github.io/devtools-protocol/v8/Runtime/
 * `getHeapUsage`): JavaScript's heap, and the buffers outside of it. What is given ends that.
 */
export async function watchMemory(inspector: URL, worker: string, watcher: Watcher): Promise<() => void> {
  const list = new URL('/json', inspector);
  list.protocol = 'http:';
  const targets = (await (await fetch(list)).json()) as {
    id: string;
    webSocketDebuggerUrl: string;
  }[];
  const target = targets.find(({ id }) => id.includes(worker));
  if (!target) throw new Error(`the inspector knows no ${worker}`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('the inspector does not answer')));
  });

  const waiting = new Map<number, (result: unknown) => void>();
  let asked = 0;
  socket.addEventListener('message', ({ data }) => {
    const reply = JSON.parse(String(data)) as Reply;
    if (reply.id === undefined) return;
    waiting.get(reply.id)?.(reply.result);
    waiting.delete(reply.id);
  });
  const ask = (method: string) =>
    new Promise<unknown>((resolve) => {
      asked += 1;
      waiting.set(asked, resolve);
      socket.send(JSON.stringify({ id: asked, method }));
    });
  const used = async () => {
    const usage = (await ask('Runtime.getHeapUsage')) as Usage | undefined;
    if (!usage) return 0;
    return usage.usedSize + (usage.embedderHeapUsedSize ?? 0) + (usage.backingStorageSize ?? 0);
  };

  const look = async () => {
    let bytes = await used();
    if (bytes > NEAR) {
      // Nothing else that workerd knows collects all garbage; what it sends of the heap is not looked at.
      await ask('HeapProfiler.takeHeapSnapshot');
      bytes = await used();
    }
    watcher.isFound(bytes);
    if (bytes > LIMIT) watcher.isExceeded();
    if (socket.readyState === WebSocket.OPEN) timer = setTimeout(() => void look(), EVERY_MS);
  };
  let timer = setTimeout(() => void look(), EVERY_MS);
  socket.addEventListener('close', () => clearTimeout(timer));
  return () => socket.close();
}
