import { createHash } from 'node:crypto';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { root } from '../../world/bundle.ts';
import type { StagedWorld } from '../stage.ts';

/** What strangers are told to do. */
export interface Orders {
  url: string;
  /** Of a connection of Shopify's that stands: where bodies are signed wrongly. */
  connectionId: string;
  addresses: number;
  perSecond: number;
  seconds: number;
  seed: number;
}

/** `nobody` has no session, `session` a wrong one, `unknown` names a connection that there is not. */
export type Kind = 'nobody' | 'session' | 'unsigned' | 'unknown' | 'signed';

/** One request of a stranger's; times by `Date.now()`. */
export interface Asked {
  kind: Kind;
  address: string;
  /** By which statements for it are known: a session's token, or a connection's id that nobody else names. */
  mark: string | undefined;
  bytes: number;
  sent: number;
  answered: number;
  /** 0 where there was no answer. */
  status: number;
  /** Seconds; 0 where none was told. */
  retryAfter: number;
}

const CROWD = path.join(root, 'test/chaos/strangers-bodies/crowd.ts');

/** Lets strangers loose in a thread of their own, and gives all that they asked once they are done. */
export async function letLoose(orders: Orders): Promise<Asked[]> {
  const thread = new Worker(CROWD, { workerData: orders });
  try {
    return await new Promise<Asked[]>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', (code) => reject(new Error(`the strangers have left with ${code}`)));
    });
  } finally {
    await thread.terminate();
  }
}

/** Counts the statements of a world by whoever they name: hashes of sessions, and ids. */
export function watchStatements(world: StagedWorld): { of(mark: string): number } {
  const byName = new Map<string, number>();
  world.neon.faults.decide((sql, parameters) => {
    for (const parameter of new Set(parameters)) {
      if (typeof parameter !== 'string' || !/^([0-9a-f]{64}|[0-9a-f-]{36})$/.test(parameter)) continue;
      // The statements of a batch are joined so.
      byName.set(parameter, (byName.get(parameter) ?? 0) + sql.split(';\n').length);
    }
    return undefined;
  });
  return {
    of: (mark) =>
      (byName.get(mark) ?? 0) + (byName.get(createHash('sha256').update(mark).digest('hex')) ?? 0),
  };
}

/** Those who were told before they asked that their address has used up its tries, and for how long. */
export function overLimit(asked: readonly Asked[]): Asked[] {
  const until = new Map<string, { from: number; to: number }[]>();
  const keyOf = ({ kind, address }: Asked) => `${kind} ${address}`;
  for (const each of asked) {
    if (each.status !== 429) continue;
    const spans = until.get(keyOf(each)) ?? [];
    spans.push({ from: each.answered, to: each.answered + each.retryAfter * 1000 });
    until.set(keyOf(each), spans);
  }
  return asked.filter((each) =>
    until.get(keyOf(each))?.some(({ from, to }) => from < each.sent && each.answered < to),
  );
}
