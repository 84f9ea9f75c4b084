import { searcher } from '../support/secret-search.ts';
import { castRoles, change, openScene, type Role, type Scene } from './changed-columns/cast.ts';
import { type Change, changesOf, type Table } from './changed-columns/changes.ts';
import { FORGOTTEN_MS, play, USES, type Use, type WentWell } from './changed-columns/uses.ts';
import { type Figure, figure } from './figures.ts';
import type { Stage } from './stage.ts';

/** A world has so many changes; what simulators remember of those before would get in the way of more. */
const PER_WORLD = 8;
/** Faults that are named, and characters of what was written. */
const NAMED = 8;
const SHOWN = 60;

const BINDING = ['id', 'user_id', 'brand_id', 'tenant_id', 'provider', 'version', 'config', 'data_key_id'];

/** Providers that sign with a secret for each connection; the others do with our app's, which stands in no row. */
const SIGN_FOR_EACH = new Set(['stripe', 'github']);

/**
 * Uses that open what a column holds, or what is bound by it: none of them may go well once it was changed. A column that
 * is not here is in no envelope and opens none (a name, a time, a count), or only says which row is whose: a webhook's
 * `connection_id`, an agent's `tenant_id`. `given up` counts wherever it is.
 */
function usesOf({ table, column }: Change, provider: string): readonly Use[] {
  const heard: Use[] = SIGN_FOR_EACH.has(provider) ? ['heard'] : [];
  const sealed: Record<Table, Record<string, readonly Use[]>> = {
    connections: {
      ...Object.fromEntries(BINDING.map((name) => [name, ['tested', 'renewed']])),
      credential: ['tested'],
      refresh_token: ['renewed'],
    },
    webhooks: { secret: heard, version: heard, data_key_id: heard },
    revocations: {
      ...Object.fromEntries(BINDING.map((name) => [name, ['ended']])),
      id: [],
      connection_id: ['ended'],
    },
    agents: { url: ['told'], secret: ['told'], data_key_id: ['told'] },
    data_keys: { tenant_id: ['tested', 'renewed', 'told'], wrapped: ['tested', 'renewed', 'told'] },
  };
  return [...(sealed[table][column] ?? []), 'given up'];
}

/** What came of the changes. */
interface Tally {
  rows: number;
  /** By table and column. */
  columns: Set<string>;
  requests: number;
  leaks: Set<string>;
  silent: Set<string>;
}

/**
 * Somebody who can write the database changes one column of one row, of any kind, and whatever uses the credential goes
 * on: no secret that a simulator knows reaches a host that the provider was not asked at where nothing was changed; and a
 * use that opens the envelope says that it does not open. Isolates have forgotten by then what they had opened. All
 * fifteen providers are played at once; `every` so many of the changes are, all with 1.
 */
export async function changedColumns(
  stage: Stage,
  { every, first = 0 }: { every: number; first?: number },
): Promise<Figure[]> {
  let scene = await openScene(stage);
  try {
    const own = new Map<string, Set<string>>();
    const usual = await control(scene, own);
    const changes = (await changesOf(scene.world)).filter((_, at) => at % every === first);
    const tally: Tally = { rows: 0, columns: new Set(), requests: 0, leaks: new Set(), silent: new Set() };
    for (const [at, each] of changes.entries()) {
      if (at % PER_WORLD === PER_WORLD - 1) {
        await scene.close();
        scene = await openScene(stage);
      }
      await suffer(scene, each, own, tally);
    }
    const named = (faults: Set<string>) =>
      [faults.size, ...[...faults].slice(0, NAMED), ...(faults.size > NAMED ? ['…'] : [])].join('; ');
    return [
      figure(
        'without a change, tested, renewed, told, heard and ended of 15',
        '15, at least 4, 15, 3, at least 5',
        USES.map((use) => usual.get(use) ?? 0).join(', '),
        usual.get('tested') === 15 &&
          (usual.get('renewed') ?? 0) >= 4 &&
          usual.get('told') === 15 &&
          usual.get('heard') === 3 &&
          (usual.get('ended') ?? 0) >= 5,
      ),
      figure(
        `secrets seen at a host that is not the connection’s own, in ${tally.requests} requests after ${changes.length} changes of ${tally.columns.size} columns, ${tally.rows} rows`,
        '0',
        named(tally.leaks),
        tally.leaks.size === 0 && tally.rows > 0 && tally.requests > 0,
      ),
      figure(
        'uses that went well with a changed column which holds or binds what they open',
        '0',
        named(tally.silent),
        tally.silent.size === 0,
      ),
    ];
  } finally {
    await scene.close();
  }
}

/** Nothing is changed: which uses go well, and at which hosts each provider is asked. */
async function control(scene: Scene, own: Map<string, Set<string>>): Promise<Map<Use, number>> {
  const roles = await castRoles(scene);
  await scene.clock.advance(FORGOTTEN_MS);
  const well = await play(scene, roles, false);
  for (const { provider, host } of scene.world.gateway.calls)
    own.set(provider, (own.get(provider) ?? new Set()).add(host));
  return new Map(USES.map((use) => [use, [...well.values()].filter((uses) => uses.has(use)).length]));
}

async function suffer(
  scene: Scene,
  made: Change,
  own: ReadonlyMap<string, Set<string>>,
  tally: Tally,
): Promise<void> {
  const roles = await castRoles(scene);
  const isLeft = made.table === 'revocations';
  if (isLeft) await leave(scene, roles);
  const changed = await change(scene, roles, made);
  tally.rows += changed.length;
  if (changed.length > 0) tally.columns.add(`${made.table}.${made.column}`);
  await scene.clock.advance(FORGOTTEN_MS);
  const well: WentWell = await play(scene, changed, isLeft);
  const name = `${made.table}.${made.column} = ${made.value.slice(0, SHOWN)}`;
  for (const [{ life }, uses] of well)
    for (const use of usesOf(made, life.provider))
      if (uses.has(use)) tally.silent.add(`${life.provider} ${use} with ${name}`);

  const found = searcher([...scene.canaries.keys()].filter((secret) => secret !== ''));
  tally.requests += scene.recorder.sent.length;
  for (const { host, bytes } of scene.recorder.sent)
    for (const secret of found(bytes)) {
      const whose = scene.canaries.get(secret) ?? '';
      if (!own.get(whose)?.has(host)) tally.leaks.add(`${whose}’s at ${host} with ${name}`);
    }
}

/** Everybody disconnects, while no provider does anything for it. */
async function leave({ world }: Scene, roles: readonly Role[]): Promise<void> {
  world.gateway.decide(() => ({ respond: { status: 503 } }));
  for (const { life, person } of roles) await person.at.delete(`/api/connectors/${life.provider}`);
  world.gateway.decide(() => undefined);
}
