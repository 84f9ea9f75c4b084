import { createHash, randomUUID } from 'node:crypto';
import { type DataKey, generateDataKey } from '../../../lib/data-keys.ts';
import { seal } from '../../../lib/envelope.ts';
import { openServices } from '../../../lib/services.ts';
import type { StagedWorld } from '../stage.ts';
import { type Order, sessionId, type Team } from './orders.ts';

const TEAMS = 8;
const BRANDS = 6;

/** A tenant's data key. */
interface TenantKey {
  tenantId: string;
  key: DataKey;
}

/** Teams with their brands, and the data keys that their secrets are sealed with. */
export interface Ground {
  teams: Team[];
  plant(orders: readonly Order[]): Promise<void>;
}

export async function prepare(world: StagedWorld): Promise<Ground> {
  const services = openServices(world.bindings as unknown as Env);
  const teams = Array.from({ length: TEAMS }, () => ({
    id: randomUUID(),
    brands: Array.from({ length: BRANDS }, () => randomUUID()),
  }));
  await world.sql(`insert into teams (id, name) select unnest($1::uuid[]), 'Planted'`, [
    teams.map(({ id }) => id),
  ]);
  await world.sql(
    `insert into brands (id, team_id, name) select unnest($1::uuid[]), unnest($2::uuid[]), 'Planted'`,
    [teams.flatMap(({ brands }) => brands), teams.flatMap(({ id, brands }) => brands.map(() => id))],
  );
  const keys = new Map<string, TenantKey>();
  for (const tenantId of [...teams.map(({ id }) => id), randomUUID()]) {
    const { row, ...key } = await generateDataKey(tenantId, 1, services.kms, Date.now());
    await world.sql(
      'insert into data_keys (id, tenant_id, generation, kms_key_id, wrapped) values ($1, $2, 1, $3, $4)',
      [row.id, tenantId, row.kmsKeyId, Buffer.from(row.wrapped)],
    );
    keys.set(tenantId, { tenantId, key });
  }
  // Whoever is in no team has been sealed for with the last of them.
  const ofNobody = [...keys.values()].at(-1) as TenantKey;
  return {
    teams,
    plant: (orders) => plant(world, orders, (teamId) => keys.get(teamId ?? '') ?? ofNobody),
  };
}

/** Writes people, their sessions and their connections, as the Cockpit and the Worker do. */
async function plant(
  world: StagedWorld,
  orders: readonly Order[],
  keyOf: (teamId: string | undefined) => TenantKey,
): Promise<void> {
  const people = [...new Set(orders.flatMap(({ members }) => members.map(({ person }) => person)))];
  const inTeams = people.flatMap(({ id, team }) => (team ? [{ id, teamId: team.id }] : []));
  await world.sql(`insert into users (id, name) select unnest($1::uuid[]), 'Somebody'`, [
    people.map(({ id }) => id),
  ]);
  await world.sql(
    'insert into team_members (user_id, team_id) select unnest($1::uuid[]), unnest($2::uuid[])',
    [inTeams.map(({ id }) => id), inTeams.map(({ teamId }) => teamId)],
  );
  await world.sql(
    `insert into sessions (id, user_id, expires_at)
     select unnest($1::text[]), unnest($2::uuid[]), now() + interval '1 day'`,
    [people.map(({ token }) => sessionId(token)), people.map(({ id }) => id)],
  );
  const rows = await Promise.all(
    orders.flatMap((order) =>
      order.members.map((member) => rowOf(order, member, keyOf(member.person.team?.id))),
    ),
  );
  await world.sql(
    `insert into connections (id, user_id, brand_id, tenant_id, data_key_id, provider, type, status, account_id, grant_id,
       credential_id, config, version, credential, refresh_token, expires_at, refresh_at, last_error_code,
       last_error_message, last_error_at)
     select id, user_id, brand_id, tenant_id, data_key_id, provider, type, status, grant_id, grant_id, credential_id,
       config, 1,
       credential::bytea, refresh_token::bytea, now() + expires_in * interval '1 second',
       case when status = 'connected' and expires_in is not null then now() + interval '6 hours' end,
       case when status <> 'connected' then 'invalid_credential' end,
       case when status <> 'connected' then 'It is over.' end,
       case when status <> 'connected' then now() end
     from jsonb_to_recordset($1::jsonb) as r(id uuid, user_id uuid, brand_id uuid, tenant_id uuid, data_key_id uuid,
       provider text, type text, status text, grant_id text, credential_id text, config jsonb, credential text, refresh_token text,
       expires_in integer)`,
    [JSON.stringify(rows)],
  );
}

async function rowOf(
  { kind, grant }: Order,
  { connectionId, person, brand, isLiving, held, isExpired }: Order['members'][number],
  { tenantId, key }: TenantKey,
) {
  const { provider } = kind;
  const config = kind.config(grant);
  const binding = { tenantId, brandId: brand, userId: person.id, connectionId, provider, version: 1, config };
  const sealed = async (secret: string, field: 'credential' | 'refresh_token') =>
    `\\x${Buffer.from(await seal(secret, key.key, key.id, { ...binding, field })).toString('hex')}`;
  // What a key's next token is asked with is the key.
  const refresh = kind.endsAlone ? `secret-of-${grant}` : held.refresh;
  return {
    id: connectionId,
    user_id: person.id,
    brand_id: brand,
    tenant_id: tenantId,
    data_key_id: key.id,
    provider,
    type: kind.endsAlone ? 'api_key' : 'oauth',
    status: isLiving ? 'connected' : 'reauthorization_required',
    grant_id: grant,
    credential_id: createHash('sha256').update(held.access).digest('hex'),
    config,
    credential: await sealed(held.access, 'credential'),
    refresh_token: refresh === null ? null : await sealed(refresh, 'refresh_token'),
    expires_in: kind.expires ? (isExpired ? -3_600 : 43_200) : null,
  };
}
