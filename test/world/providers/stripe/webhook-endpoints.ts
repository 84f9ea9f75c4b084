import { z } from 'zod';
import { isLoopback } from '../../loopback.ts';
import type { SimulatorContext } from '../../simulator.ts';
import type { EndpointBook, WebhookEndpoint } from './endpoint-book.ts';
import { StripeRefusal } from './errors.ts';
import { type FormValue, readForm } from './form.ts';
import { demand, type KeyRecord } from './keys.ts';
import { expandNothing, list, listParameters } from './lists.ts';
import { newId } from './moment.ts';
import { API_VERSIONS, EVENTS } from './vocabulary.ts';

/** docs.stripe.com/webhooks; refusals count each mode for itself. */
const LIMIT = 16;

/** docs.stripe.com/api/metadata. */
const METADATA_KEYS = 50;
const metadataKey = z
  .string()
  .min(1)
  .max(40)
  .regex(/^[^[\]]*$/);
const metadata = z.union([z.literal(''), z.record(metadataKey, z.string().max(500))]);

const event = z.string().refine((name) => EVENTS.has(name), 'must be the name of an event, or *');
const version = z.string().refine((name) => API_VERSIONS.has(name), 'must be an API version');
const description = z.string().max(5000);
const flag = z.enum(['true', 'false']);
const STATUS = { true: 'disabled', false: 'enabled' } as const;

const creation = z.strictObject({
  url: z.string(),
  enabled_events: z.array(event).min(1),
  api_version: version.optional(),
  description: description.optional(),
  metadata: metadata.optional(),
  connect: flag.optional(),
  expand: expandNothing.optional(),
});

const update = z
  .strictObject({
    url: z.string(),
    enabled_events: z.array(event).min(1),
    disabled: flag,
    description,
    metadata,
    expand: expandNothing,
  })
  .partial();

const listing = z.strictObject({ ...listParameters, expand: expandNothing }).partial();
const retrieval = z.strictObject({ expand: expandNothing.optional() });
const nothing = z.strictObject({});

/** docs.stripe.com/api/webhook_endpoints, for the account and the mode of the key. */
export function webhookEndpoints({ now }: SimulatorContext, book: EndpointBook) {
  const isLive = (record: KeyRecord) => record.mode === 'live';
  const all = (record: KeyRecord) => book.of(record.account, isLive(record));

  function find(record: KeyRecord, id: string) {
    const kept = all(record).find(({ endpoint }) => endpoint.id === id);
    if (kept) return kept;
    const more = { code: 'resource_missing', param: 'id' };
    throw new StripeRefusal(404, `No such webhook endpoint: '${id}'`, more);
  }

  return {
    create(record: KeyRecord, form: FormValue) {
      demand(record, 'webhook_write');
      const given = readForm(creation, form);
      checkUrl(record, given.url);
      if (all(record).length >= LIMIT) {
        throw new StripeRefusal(
          400,
          `You have reached the maximum of ${LIMIT} ${record.mode} webhook endpoints.`,
        );
      }
      const endpoint: WebhookEndpoint = {
        id: newId('we'),
        object: 'webhook_endpoint',
        api_version: given.api_version ?? null,
        application: null,
        created: Math.floor(now() / 1000),
        description: given.description || null,
        enabled_events: given.enabled_events,
        livemode: isLive(record),
        metadata: merge({}, given.metadata),
        status: 'enabled',
        url: given.url,
      };
      const secret = book.add({ account: record.account, endpoint, connect: given.connect === 'true' });
      return { ...endpoint, secret };
    },

    list(record: KeyRecord, form: FormValue) {
      demand(record, 'webhook_read');
      const found = all(record).map(({ endpoint }) => endpoint);
      return list('/v1/webhook_endpoints', found, readForm(listing, form));
    },

    retrieve(record: KeyRecord, id: string, form: FormValue) {
      demand(record, 'webhook_read');
      readForm(retrieval, form);
      return find(record, id).endpoint;
    },

    update(record: KeyRecord, id: string, form: FormValue) {
      demand(record, 'webhook_write');
      const kept = find(record, id);
      const given = readForm(update, form);
      const old = kept.endpoint;
      if (given.url !== undefined) checkUrl(record, given.url);
      const endpoint: WebhookEndpoint = {
        ...old,
        url: given.url ?? old.url,
        enabled_events: given.enabled_events ?? old.enabled_events,
        description: given.description === undefined ? old.description : given.description || null,
        metadata: merge(old.metadata, given.metadata),
        status: given.disabled === undefined ? old.status : STATUS[given.disabled],
      };
      book.save({ ...kept, endpoint });
      return endpoint;
    },

    remove(record: KeyRecord, id: string, form: FormValue) {
      demand(record, 'webhook_write');
      readForm(nothing, form);
      book.remove(find(record, id).endpoint.id);
      return { id, object: 'webhook_endpoint', deleted: true };
    },
  };
}

/**
 * Stripe wants https of every live endpoint, and of any an address in public (docs.stripe.com/webhooks). The
 * local stack has neither: http is good enough on loopback, in both modes.
 */
function checkUrl(record: KeyRecord, address: string): void {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(address)) {
    const message = 'Invalid URL: An explicit scheme (such as https) must be provided.';
    throw new StripeRefusal(400, message, { code: 'url_invalid', param: 'url' });
  }
  const url = URL.parse(address);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new StripeRefusal(400, `Invalid URL: ${address}`, { code: 'url_invalid', param: 'url' });
  }
  if (record.mode === 'test' || url.protocol === 'https:' || isLoopback(url.hostname)) return;
  const message = `Invalid URL: ${address}. URLs in livemode must begin with "https://"`;
  throw new StripeRefusal(400, message, { param: 'url' });
}

/** docs.stripe.com/api/metadata: an empty value takes the key away, an empty whole takes all. */
function merge(
  old: Record<string, string>,
  changes: '' | Record<string, string> | undefined,
): Record<string, string> {
  if (changes === '') return {};
  const entries = Object.entries({ ...old, ...changes }).filter(([, value]) => value !== '');
  if (entries.length <= METADATA_KEYS) return Object.fromEntries(entries);
  throw new StripeRefusal(400, `Metadata can have up to ${METADATA_KEYS} keys.`, { param: 'metadata' });
}
