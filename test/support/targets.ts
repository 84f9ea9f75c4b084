import { randomBytes } from 'node:crypto';
import { sql as statement } from 'kysely';
import { expect } from 'vitest';
import { dataKeyColumns } from '../../lib/connections/snapshot.ts';
import { openDataKey } from '../../lib/data-keys.ts';
import { seal } from '../../lib/envelope.ts';
import { openServices } from '../../lib/services.ts';
import { openSecret, type SealedSecret, secretBinding } from '../../lib/webhooks/secrets.ts';
import { connectByOAuth } from './flows.ts';
import { connect, issueKey } from './keys.ts';
import type { TestWorld } from './open-world.ts';
import { newPerson, type Person } from './people.ts';
import { sql } from './sql.ts';
import { until } from './trips.ts';

export const tellers = ['stripe', 'shopify', 'github'] as const;
export type Teller = (typeof tellers)[number];

/** A connection that its provider tells what happens there. */
export interface Target {
  world: TestWorld;
  provider: Teller;
  id: string;
  person: Person;
  /** Shopify alone. */
  shop: string;
  /** What its deliveries are signed with. */
  secret: string;
}

/** Somebody new who has connected the provider; its webhooks are registered. `key` as the simulator's `issueKey` has it. */
export async function openTarget(
  world: TestWorld,
  provider: Teller,
  { shop, key = {} }: { shop?: string; key?: Record<string, string> } = {},
): Promise<Target> {
  const person = await newPerson(world);
  const ownShop = shop ?? `shop-${randomBytes(6).toString('hex')}.myshopify.com`;
  const reply =
    provider === 'stripe'
      ? await connect(person.at, provider, issueKey(world, provider, key))
      : await connectByOAuth(person.at, provider, {
          ...(provider === 'shopify' && { query: { shop: ownShop } }),
          ...(provider === 'github' && { account: 'octocat' }),
        });
  expect(reply.status, reply.text).toBeLessThan(300);
  const id = String(reply.body.id);
  if (provider === 'github') {
    const repositories = ['octocat/Hello-World'];
    const watched = await person.at.put('/api/connectors/github/repositories', { body: { repositories } });
    expect(watched.body, watched.text).toEqual({ repositories, error: null });
    // A new hook is told so, and in its own time.
    await until(async () => {
      const pings = `select from events where connection_id = $1 and topic = 'ping'`;
      return (await sql(world, pings, [id])).length > 0 ? true : undefined;
    });
  }
  return { world, provider, id, person, shop: ownShop, secret: await secretOf(world, provider, id) };
}

/** Somebody new for each provider. */
export async function openTargets(world: TestWorld): Promise<Record<Teller, Target>> {
  return {
    stripe: await openTarget(world, 'stripe'),
    shopify: await openTarget(world, 'shopify'),
    github: await openTarget(world, 'github'),
  };
}

async function secretOf(world: TestWorld, provider: Teller, id: string): Promise<string> {
  if (provider === 'shopify') return world.bindings.SHOPIFY_CLIENT_SECRET ?? '';
  if (provider === 'github') return openSecret(services(world), await sealedSecret(world, id));
  const [row] = await sql(
    world,
    `select registered -> 0 ->> 'id' as id from webhooks where connection_id = $1`,
    [id],
  );
  return world.store('stripe').get<string>(`signing/${row?.id}`) ?? '';
}

/** Has a connection's deliveries signed with another secret from now on; before the first of them. */
export async function sealOther(target: Target, secret: string): Promise<Target> {
  const row = await sealedSecret(target.world, target.id);
  const wrapped = {
    id: row.key_id ?? '',
    tenantId: row.key_tenant_id,
    generation: row.key_generation,
    kmsKeyId: row.key_kms_key_id,
    wrapped: row.key_wrapped,
  };
  const { key, id } = await openDataKey(wrapped, services(target.world).kms, Date.now());
  const version = row.version + 1;
  const sealed = await seal(secret, key, id, secretBinding({ ...row, version }));
  await sql(target.world, 'update webhooks set secret = $2, version = $3 where connection_id = $1', [
    target.id,
    Buffer.from(sealed),
    version,
  ]);
  return { ...target, secret };
}

async function sealedSecret(world: TestWorld, id: string): Promise<SealedSecret> {
  const [row] = await services(world).postgres.rows(statement<SealedSecret>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, w.version, w.secret, ${dataKeyColumns}
    from connections c join webhooks w on w.connection_id = c.id left join data_keys k on k.id = w.data_key_id
    where c.id = ${id}::uuid and w.secret is not null`);
  if (!row) throw new Error('no secret of its own');
  return row;
}

const services = (world: TestWorld) => openServices(world.bindings as unknown as Env);
