import { Agent, request } from 'node:http';
import { connect, issueKey } from '../../support/keys.ts';
import { eachOf, peopleOf } from '../people.ts';
import type { StagedWorld } from '../stage.ts';
import { wait } from '../webhooks/faults.ts';

const CONNECTS_AT_ONCE = 5;
/** What each of them does, again and again; `test` no more often than its limit lets them. */
const ERRANDS = [
  ['GET', '/api/connectors/list'],
  ['GET', '/api/events'],
  ['POST', '/api/connectors/klaviyo/test'],
] as const;
/** Between two requests of one of them, at most. */
const PAUSE_MS = 4_000;

/** What callers were answered, and after how many milliseconds. */
export interface Work {
  took: number[];
  /** Answers other than 200. */
  others: Map<number, number>;
}

/** People who have connected Klaviyo, each at an address of their own. */
export async function openCallers(world: StagedWorld, count: number) {
  const people = await peopleOf(world, count);
  await eachOf(people, CONNECTS_AT_ONCE, async ({ at }) => {
    const reply = await connect(at, 'klaviyo', issueKey(world, 'klaviyo'));
    if (reply.status !== 201) throw new Error(`a caller is not connected: ${reply.text}`);
  });
  const agent = new Agent({ keepAlive: true });

  const ask = (token: string, address: string, [method, path]: (typeof ERRANDS)[number]) =>
    new Promise<number>((resolve) => {
      const headers = { authorization: `Bearer ${token}`, 'cf-connecting-ip': address };
      const asked = request(`${world.url}${path}`, { agent, method, headers });
      asked.on('error', () => resolve(0));
      asked.on('response', (response) =>
        response.on('close', () => resolve(response.statusCode ?? 0)).resume(),
      );
      asked.end();
    });

  return {
    /** All of them work until it is settled. */
    async workUntil(over: Promise<unknown>): Promise<Work> {
      const work: Work = { took: [], others: new Map() };
      let isOver = false;
      over
        .catch(() => undefined)
        .finally(() => {
          isOver = true;
        });
      const caller = async (token: string, number: number) => {
        await wait((PAUSE_MS * number) / people.length);
        for (let turn = number; !isOver; turn += 1) {
          const from = performance.now();
          const errand = ERRANDS[turn % ERRANDS.length] ?? ERRANDS[0];
          const status = await ask(token, `198.51.100.${number % 250}`, errand);
          work.took.push(performance.now() - from);
          if (status !== 200) work.others.set(status, (work.others.get(status) ?? 0) + 1);
          await wait((PAUSE_MS * (1 + ((turn * 7) % 10) / 10)) / 2);
        }
      };
      await Promise.all(people.map(({ token }, number) => caller(token, number)));
      await over;
      return work;
    },
    close: () => agent.destroy(),
  };
}
