import { randomBytes, randomUUID } from 'node:crypto';
import { signGithub } from '../world/providers/github/signature.ts';
import { signShopify } from '../world/providers/shopify/signature.ts';
import { signStripe } from '../world/providers/stripe/signature.ts';
import { Client, type Reply } from './client.ts';
import { saidBy } from './payloads.ts';
import { personalData } from './personal.ts';
import { sql } from './sql.ts';
import type { Target } from './targets.ts';
import { until } from './trips.ts';

export type Body = string | Uint8Array<ArrayBuffer>;

/** What a provider sends, as far as tests choose it; `null` takes a header out. */
export interface Delivery {
  body: Body;
  /** By the provider's own name; Stripe's stands in the body. */
  event: string;
  /** Of the delivery; Stripe's stands in the body. */
  id: string;
  secret?: string;
  /** Seconds from now, where the time is signed. */
  ahead?: number;
  headers?: Record<string, string | null>;
}

/** Something that the agent is told of, the like of which has not been sent before. */
export function something({ provider }: Target, more: Partial<Delivery> = {}): Delivery {
  const id = randomUUID();
  const sha = () => randomBytes(20).toString('hex');
  const repository = { id: 1296269, full_name: 'octocat/Hello-World' };
  const pusher = personalData();
  const bodies = {
    stripe: stripeEvent('invoice.created', { data: { object: { customer_email: pusher.email } } }),
    shopify: JSON.stringify({
      id: randomBytes(5).readUIntBE(0, 5),
      title: 'Tea',
      note: id,
      customer: pusher,
    }),
    github: JSON.stringify({ ref: 'refs/heads/main', before: sha(), after: sha(), repository, pusher }),
  };
  const events = { stripe: 'invoice.created', shopify: 'products/update', github: 'push' };
  return { body: bodies[provider], event: events[provider], id, ...more };
}

export function stripeEvent(type: string, more: Record<string, unknown> = {}): string {
  const id = `evt_${randomBytes(12).toString('hex')}`;
  const created = Math.floor(Date.now() / 1000);
  return JSON.stringify({
    id,
    object: 'event',
    type,
    livemode: false,
    created,
    data: { object: {} },
    ...more,
  });
}

/** The headers of a delivery, signed as the provider signs. */
export function headersOf(target: Target, delivery: Delivery): Record<string, string> {
  const { body, event, id, secret = target.secret, ahead = 0 } = delivery;
  const own = {
    stripe: () => ({ 'stripe-signature': signStripe(body, secret, Math.floor(Date.now() / 1000) + ahead) }),
    shopify: () => ({
      'x-shopify-topic': event,
      'x-shopify-shop-domain': target.shop,
      'x-shopify-webhook-id': id,
      'x-shopify-api-version': '2026-10',
      'x-shopify-hmac-sha256': signShopify(body, secret),
    }),
    github: () => ({
      'x-github-event': event,
      'x-github-delivery': id,
      'x-hub-signature-256': signGithub(body, secret),
    }),
  }[target.provider]();
  const all = { 'content-type': 'application/json', ...own, ...delivery.headers };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

export const signatureHeader = {
  stripe: 'stripe-signature',
  shopify: 'x-shopify-hmac-sha256',
  github: 'x-hub-signature-256',
} as const;

export const pathOf = ({ provider, id }: Pick<Target, 'provider' | 'id'>) =>
  `/api/webhooks/${provider}/${id}`;

/** Posts a delivery as the provider does. */
export function send(target: Target, delivery: Delivery, path = pathOf(target)): Promise<Reply> {
  const headers = headersOf(target, delivery);
  return new Client(target.world, undefined).post(path, { raw: delivery.body as string, headers });
}

export interface Stored {
  id: string;
  type: string;
  topic: string;
  status: string;
  data: string;
  delivery_id: string | null;
  occurred_at: Date;
}

/** What a connection was told by its provider, in order. */
export async function storedOf({ world, id }: Target): Promise<Stored[]> {
  const rows = await sql(
    world,
    `select id, type, topic, status, delivery_id, occurred_at from events
     where connection_id = $1 and topic is not null order by received_at, id`,
    [id],
  );
  const said = await saidBy(
    world,
    rows.map((row) => String(row.id)),
  );
  return rows.map((row) => ({ ...(row as unknown as Stored), data: said.get(String(row.id)) ?? '' }));
}

/** What a connection was told, once none of it waits for the agent any more. */
export async function settledOf(target: Target): Promise<Stored[]> {
  return until(async () => {
    const rows = await storedOf(target);
    return rows.every(({ status }) => status !== 'pending') ? rows : undefined;
  });
}

/** What the agent was told of a connection's provider. */
export function toldOf({ world, id, provider }: Target): { id: string; body: Record<string, unknown> }[] {
  return world.agent.deliveries
    .map((each) => ({ id: each.id, body: each.body as Record<string, unknown> }))
    .filter(({ body }) => body.connection_id === id && String(body.type).startsWith(`${provider}.`));
}

/** What it was told so far, whatever becomes of it later. */
export const idsOf = async (target: Target) => (await storedOf(target)).map(({ id }) => id);

/** What it was told beyond that, once none of it waits for the agent any more. */
export const storedSince = async (target: Target, before: string[]) =>
  (await settledOf(target)).filter(({ id }) => !before.includes(id));
