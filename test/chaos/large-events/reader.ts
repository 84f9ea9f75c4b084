import { ask, type Owner } from '../owners.ts';
import { wait } from '../webhooks/faults.ts';

/** Between two pages of a reader who has all that there is. */
const PAUSE_MS = 50;

/** Who reads the feeds of all owners, in turn, from cursor to cursor. */
export interface Reader {
  /** The numbers of all payloads that were seen. */
  seen: Set<number>;
  pages: number;
  /** Statuses other than 200, and how many of each. */
  others: Map<number | 'no answer', number>;
  stop(): Promise<void>;
}

export function startReader(world: { url: string }, owners: readonly Owner[]): Reader {
  const reader: Omit<Reader, 'stop'> = { seen: new Set(), pages: 0, others: new Map() };
  const cursors = new Map<Owner, string>();
  let isOver = false;

  /** One page; whether there is more to be read at once. */
  const turn = async (owner: Owner): Promise<boolean> => {
    const after = cursors.get(owner);
    const query = new URLSearchParams({ limit: '100', ...(after !== undefined && { after }) });
    const answer = await ask(world, owner, 'GET', `/api/events?${query}`).catch(() => undefined);
    const text = await answer?.text().catch(() => undefined);
    reader.pages += 1;
    if (answer?.status !== 200 || text === undefined) {
      const status = text === undefined ? 'no answer' : (answer?.status ?? 'no answer');
      reader.others.set(status, (reader.others.get(status) ?? 0) + 1);
      return false;
    }
    const page = JSON.parse(text) as {
      events: { data: { number: number } }[];
      next: string;
      has_more: boolean;
    };
    for (const { data } of page.events) reader.seen.add(data.number);
    cursors.set(owner, page.next);
    return page.has_more;
  };
  const reading = (async () => {
    while (!isOver) {
      for (const owner of owners) {
        while (!isOver && (await turn(owner)));
        if (isOver) break;
        await wait(PAUSE_MS);
      }
    }
  })();
  return Object.assign(reader, {
    stop: async () => {
      isOver = true;
      await reading;
    },
  });
}
