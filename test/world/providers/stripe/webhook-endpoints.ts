import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { StripeRefusal } from './errors.ts';
import { type FormValue, readForm } from './form.ts';
import { demand, type KeyRecord, randomLetters } from './keys.ts';
import { list, listParameters } from './lists.ts';
import { API_VERSIONS, EVENTS } from './vocabulary.ts';

/** docs.stripe.com/api/webhook_endpoints/object; `secret` is in the answer to the creation alone. */
interface WebhookEndpoint {
  id: string;
  object: 'webhook_endpoint';
  api_version: string | null;
  application: null;
  created: number;
  description: string | null;
  enabled_events: string[];
  livemode: boolean;
  metadata: Record<string, string>;
  status: 'enabled' | 'disabled';
  url: string;
}

interface Kept {
  sequence: number;
  account: string;
  endpoint: WebhookEndpoint;
}

/** docs.stripe.com/webhooks. */
const LIMIT = 16;

const event = z.string().refine((name) => EVENTS.has(name), 'must be the name of an event, or *');
const version = z.string().refine((name) => API_VERSIONS.has(name), 'must be an API version');
const url = z.string().refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'Not a valid URL');
const metadata = z.union([z.literal(''), z.record(z.string(), z.string())]);
const flag = z.enum(['true', 'false']);
const expand = z.array(z.string());
const STATUS = { true: 'disabled', false: 'enabled' } as const;

const creation = z.strictObject({
  url,
  enabled_events: z.array(event).min(1),
  api_version: version.optional(),
  description: z.string().optional(),
  metadata: metadata.optional(),
  connect: flag.optional(),
  expand: expand.optional(),
});

const update = z
  .strictObject({
    url,
    enabled_events: z.array(event).min(1),
    disabled: flag,
    description: z.string(),
    metadata,
    expand,
  })
  .partial();

const listing = z.strictObject(listParameters).partial();

export type WebhookEndpoints = ReturnType<typeof webhookEndpoints>;

/** The endpoints of each account and mode (docs.stripe.com/api/webhook_endpoints). */
export function webhookEndpoints({ store, now, secret }: SimulatorContext) {
  const all = (record: KeyRecord) =>
    store
      .list<Kept>('endpoint/')
      .filter(
        (kept) => kept.account === record.account && kept.endpoint.livemode === (record.mode === 'live'),
      )
      .sort((a, b) => b.sequence - a.sequence);

  function find(record: KeyRecord, id: string): Kept {
    const kept = all(record).find(({ endpoint }) => endpoint.id === id);
    if (kept) return kept;
    const more = { code: 'resource_missing', param: 'id' };
    throw new StripeRefusal(404, `No such webhook endpoint: '${id}'`, more);
  }

  function demandHttps(record: KeyRecord, address: string) {
    if (record.mode === 'test' || address.startsWith('https:')) return;
    throw new StripeRefusal(400, 'Invalid URL: live webhook endpoints must be HTTPS.', { param: 'url' });
  }

  return {
    create(record: KeyRecord, form: FormValue) {
      demand(record, 'webhook_write');
      const given = readForm(creation, form);
      demandHttps(record, given.url);
      if (all(record).length >= LIMIT) {
        throw new StripeRefusal(
          400,
          `You have reached the maximum of ${LIMIT} ${record.mode} webhook endpoints.`,
        );
      }
      const sequence = (store.get<number>('sequence') ?? 0) + 1;
      store.set('sequence', sequence);
      const endpoint: WebhookEndpoint = {
        id: `we_${randomLetters(24)}`,
        object: 'webhook_endpoint',
        api_version: given.api_version ?? null,
        application: null,
        created: Math.floor(now() / 1000),
        description: given.description ?? null,
        enabled_events: given.enabled_events,
        livemode: record.mode === 'live',
        metadata: given.metadata || {},
        status: 'enabled',
        url: given.url,
      };
      const kept: Kept = { sequence, account: record.account, endpoint };
      store.set(`endpoint/${endpoint.id}`, kept);
      const signing = secret(`whsec_${randomLetters(32)}`);
      store.set(`signing/${endpoint.id}`, signing);
      return { ...endpoint, secret: signing };
    },

    list(record: KeyRecord, form: FormValue) {
      demand(record, 'webhook_read');
      const found = all(record).map(({ endpoint }) => endpoint);
      return list('/v1/webhook_endpoints', found, readForm(listing, form));
    },

    retrieve(record: KeyRecord, id: string) {
      demand(record, 'webhook_read');
      return find(record, id).endpoint;
    },

    update(record: KeyRecord, id: string, form: FormValue) {
      demand(record, 'webhook_write');
      const kept = find(record, id);
      const given = readForm(update, form);
      const old = kept.endpoint;
      if (given.url !== undefined) demandHttps(record, given.url);
      const endpoint: WebhookEndpoint = {
        ...old,
        url: given.url ?? old.url,
        enabled_events: given.enabled_events ?? old.enabled_events,
        description: given.description ?? old.description,
        metadata: given.metadata === undefined ? old.metadata : merge(old.metadata, given.metadata),
        status: given.disabled === undefined ? old.status : STATUS[given.disabled],
      };
      store.set(`endpoint/${id}`, { ...kept, endpoint });
      return endpoint;
    },

    remove(record: KeyRecord, id: string) {
      demand(record, 'webhook_write');
      store.delete(`endpoint/${find(record, id).endpoint.id}`);
      store.delete(`signing/${id}`);
      return { id, object: 'webhook_endpoint', deleted: true };
    },
  };
}

/** docs.stripe.com/api/metadata: an empty value takes the key away, an empty whole takes all. */
function merge(old: Record<string, string>, changes: '' | Record<string, string>): Record<string, string> {
  if (changes === '') return {};
  return Object.fromEntries(Object.entries({ ...old, ...changes }).filter(([, value]) => value !== ''));
}
