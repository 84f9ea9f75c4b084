import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Something that a provider has really sent. */
export interface Payload {
  /** By the provider's own name, as its header or body has it. */
  event: string;
  action?: string | null;
  body: string;
  headers: Record<string, string>;
}

interface Captured {
  headers: Record<string, string>;
  body: unknown;
}

/** Numbers keep the spelling that they have in the file. */
function readSpelled<T>(file: string): T | undefined {
  const full = path.join(process.env.VECTORS_DIR ?? '', file);
  if (process.env.VECTORS_DIR === undefined || !existsSync(full)) return undefined;
  const spelled = (_: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' && String(value) !== source ? rawJSON(source ?? '') : value;
  const parse = JSON.parse as (text: string, reviver: typeof spelled) => T;
  return parse(readFileSync(full, 'utf8'), spelled);
}

// https://tc39.es/proposal-json-parse-with-source/
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/** What the test's own connection decides: the signature, the shop, the body's length. */
const OF_THE_CAPTURE =
  /^(content-length|transfer-encoding|connection|host|accept-encoding|stripe-signature|x-hub-signature.*|x-shopify-(hmac-sha256|shop-domain|webhook-id))$/;

const captured = (event: string, { headers, body }: Captured): Payload => ({
  event,
  body: JSON.stringify(body),
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_CAPTURE.test(name))),
});

/** One for every event and action, and some with the headers that they came with. */
export function githubPayloads(): Payload[] {
  const made = readSpelled<{
    payloads: { event: string; action: string | null; payload: unknown }[];
  }>('github-payloads.json');
  const came = readSpelled<{ deliveries: (Captured & { body: { action?: string } })[] }>(
    'github-deliveries.json',
  );
  return [
    ...(made?.payloads ?? []).map(({ event, action, payload }) => ({
      event,
      action,
      body: JSON.stringify(payload),
      headers: { 'user-agent': 'GitHub-Hookshot/1440bf9' },
    })),
    ...(came?.deliveries ?? []).map((each) => {
      const { 'x-github-delivery': _, ...headers } = each.headers;
      const action = each.body.action ?? null;
      return { ...captured(headers['x-github-event'] ?? '', { ...each, headers }), action };
    }),
  ];
}

/** A delivery for every topic, and payloads that are without headers. */
export function shopifyPayloads(): Payload[] {
  const file = readSpelled<{ deliveries: Captured[]; exemplars: { path: string; body: unknown }[] }>(
    'shopify-webhooks.json',
  );
  return [
    ...(file?.deliveries ?? []).map((each) => captured(each.headers['x-shopify-topic'] ?? '', each)),
    ...(file?.exemplars ?? []).map((each) => ({
      event: `${each.path.split('/').at(-2)}/exemplar_${each.path.split('/').at(-1)?.[0]}`,
      body: JSON.stringify(each.body),
      headers: { 'x-shopify-api-version': '2025-04' },
    })),
  ];
}

/** Deliveries as they came, and what is told of the resources that the others do not have. */
export function stripePayloads(): Payload[] {
  const file = readSpelled<{
    deliveries: (Captured & { topic: string })[];
    eventFixture: { type: string };
    resourceFixtures: Record<string, unknown>;
  }>('stripe-events.json');
  if (!file) return [];
  const { eventFixture: fixture, resourceFixtures: resources } = file;
  const made = (type: string, id: string, object: unknown) => ({
    event: type,
    body: JSON.stringify({ ...fixture, id, type, data: { object } }),
    headers: {},
  });
  return [
    ...file.deliveries.map((each) => captured(each.topic, each)),
    { event: fixture.type, body: JSON.stringify(fixture), headers: {} },
    made('payment_intent.succeeded', 'evt_made_of_a_payment_intent', resources.payment_intent),
    made('customer.subscription.updated', 'evt_made_of_a_subscription', resources.subscription),
  ];
}
