import { connect, issueKey } from '../support/keys.ts';
import { disableKlaviyoKey } from '../world/providers/klaviyo.ts';
import { type Figure, figure } from './figures.ts';
import { eachOf, peopleOf } from './people.ts';
import { plant } from './plant.ts';
import type { Stage, StagedWorld } from './stage.ts';
import { tokenServer } from './token-server.ts';

const AT_ONCE = 6;
/** What comes later than this is missing. */
const PATIENCE_MS = 5_000;

/** An event that must come, and from when on. */
interface Due {
  who: string;
  type: string;
  from: number;
}

/**
 * Connections come, end, come back and go while all is well, and the cron does not fire: what the agent is told of them,
 * and how long after it was so.
 */
export async function ownEvents(stage: Stage, { connections }: { connections: number }): Promise<Figure[]> {
  const server = tokenServer('github');
  const world = await stage.open({ simulators: [server.factory], rateLimits: false });
  const inbox = openInbox(world);
  try {
    const due: Due[] = [];
    await eachOf(await peopleOf(world, connections), AT_ONCE, async ({ id, at }) => {
      const answered = (type: string, isSo: boolean, text: string) => {
        if (!isSo) throw new Error(`${type}: ${text}`);
        due.push({ who: id, type: `connection.${type}`, from: Date.now() });
      };
      const key = issueKey(world, 'klaviyo');
      const begun = await connect(at, 'klaviyo', key);
      answered('connected', begun.status === 201, begun.text);
      disableKlaviyoKey(world.store('klaviyo'), key.api_key);
      const tested = await at.post('/api/connectors/klaviyo/test');
      answered('reauthorization_required', tested.body.status === 'reauthorization_required', tested.text);
      const again = await connect(at, 'klaviyo', issueKey(world, 'klaviyo'));
      answered('recovered', again.body.status === 'connected', again.text);
      const gone = await at.delete('/api/connectors/klaviyo');
      answered('disconnected', gone.status === 200, gone.text);
    });

    const pairs = server.plant(connections);
    const planted = await plant(world, 'github', pairs);
    for (const { refresh } of pairs) server.kill(refresh);
    const refreshes = await world.miniflare.getQueueProducer('REFRESHES');
    await refreshes.send({ kind: 'refresh', ids: planted.map(({ id }) => id) });
    for (const { who, at } of await deaths(
      world,
      planted.map(({ userId }) => userId),
    ))
      due.push({ who, type: 'connection.reauthorization_required', from: at });

    await inbox.has(due);
    const late = due.map(({ who, type, from }) => ({
      type,
      ms: (inbox.arrived(who, type) ?? Infinity) - from,
    }));
    const missing = late.filter(({ ms }) => ms === Infinity).map(({ type }) => type);
    const lasted = late.map(({ ms }) => Math.max(0, ms));
    const kinds = [...new Set(late.map(({ type }) => type))].map((type) => {
      const those = late.filter((each) => each.type === type).map(({ ms }) => Math.max(0, ms));
      return `${type.replace('connection.', '')} ${quantile(those, 0.99).toFixed(0)}`;
    });
    return [
      figure(
        `of ${due.length} events of ${2 * connections} connections, missing without the cron`,
        '0',
        [missing.length, ...new Set(missing)].join('; '),
        missing.length === 0,
      ),
      figure('told of what had not happened', '0', inbox.others(due), inbox.others(due) === 0),
      figure(
        'from what is so to the agent, p99',
        'under 1000 ms',
        `${quantile(lasted, 0.99).toFixed(0)} ms, half within ${quantile(lasted, 0.5).toFixed(0)} ms, at most ${Math.max(...lasted).toFixed(0)} ms (p99: ${kinds.join(', ')})`,
        quantile(lasted, 0.99) < 1_000,
      ),
    ];
  } finally {
    inbox.close();
  }
}

/** When the deaths of their connections were written, once all are. */
async function deaths(world: StagedWorld, users: readonly string[]): Promise<{ who: string; at: number }[]> {
  for (const end = Date.now() + 30_000; ; ) {
    const rows = await world.sql(
      `select user_id, extract(epoch from received_at)::float8 * 1000 as at from events
       where type = 'connection.reauthorization_required' and user_id = any ($1::uuid[])`,
      [users],
    );
    if (rows.length >= users.length || Date.now() > end)
      return rows.map((row) => ({ who: String(row.user_id), at: Number(row.at) }));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** When the agent was first told of somebody's connections, by type. */
function openInbox(world: StagedWorld) {
  const arrived = new Map<string, number>();
  let seen = 0;
  const look = () => {
    for (const { body } of world.agent.deliveries.slice(seen)) {
      const { user_id, type } = body as { user_id: string; type: string };
      const key = `${user_id} ${type}`;
      if (!arrived.has(key)) arrived.set(key, Date.now());
      seen += 1;
    }
  };
  const timer = setInterval(look, 2);
  return {
    arrived: (who: string, type: string) => arrived.get(`${who} ${type}`),
    others(due: readonly Due[]): number {
      const known = new Set(due.map(({ who, type }) => `${who} ${type}`));
      return [...arrived.keys()].filter((key) => !known.has(key)).length;
    },
    async has(due: readonly Due[]): Promise<void> {
      for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
        if (due.every(({ who, type }) => arrived.has(`${who} ${type}`))) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    close: () => clearInterval(timer),
  };
}

function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity;
}
