import type { SimulatorContext } from '../../simulator.ts';
import { isApproved, needScope } from './access.ts';
import { WEBHOOK_VERSION } from './deliveries.ts';
import type { Shared } from './graphql.ts';
import { type ListArguments, search } from './listing.ts';
import { connection } from './paging.ts';
import { gid, idOf } from './resources.ts';
import { holds } from './scopes.ts';
import { parseSearch } from './search.ts';
import type { Shop } from './shops.ts';
import { addressFaults, type Draft, type Input, readInput } from './subscription-input.ts';
import type { Subscription, SubscriptionBook } from './subscriptions.ts';
import { toDateTime } from './times.ts';
import { TOPICS, type Topic } from './topics.ts';

interface SubscriptionListArguments extends ListArguments {
  callbackUrl?: string | null;
  format?: string | null;
  topics?: string[] | null;
  uri?: string | null;
}

interface UserError {
  field: string[];
  message: string;
}

const TYPE = 'WebhookSubscription';

/** Real answers tell faults of `uri` under its old name. */
const addressError = (message: string): UserError => ({
  field: ['webhookSubscription', 'callbackUrl'],
  message,
});
const error = (message: string, field: string[] = []): UserError => ({
  field: ['webhookSubscription', ...field],
  message,
});
const GONE: UserError = { field: ['id'], message: 'Webhook subscription does not exist' };

const SEARCHED = {
  created_at: (record: Subscription) => toDateTime(record.createdAt),
  id: (record: Subscription) => record.id,
  topic: (record: Subscription) => record.topic,
  updated_at: (record: Subscription) => toDateTime(record.updatedAt),
  uri: (record: Subscription) => record.uri,
};

/** By these two subscriptions are the same; the filter counts too, as has been seen. */
const SAME = ['topic', 'uri', 'format', 'filter'] as const;

/** The root fields about webhook subscriptions (docs/api/admin-graphql/2026-10/objects/WebhookSubscription). */
export function subscriptionFields(
  { store }: SimulatorContext,
  book: SubscriptionBook,
  shop: Shop,
  scopes: readonly string[],
) {
  const find = (id: string) => book.find(shop, idOf(TYPE, id) ?? '');

  /** What is wrong with a subscription as it would be; another of the same kind counts unless it is its own. */
  function faults(record: Draft, own?: string): UserError[] {
    const found = addressFaults(record.uri).map(addressError);
    // Cloud addresses and XML exist, but nothing here could deliver them.
    if (record.format !== 'JSON') {
      const message = "Format 'xml' is invalid for this webhook topic. Allowed formats: json";
      found.push(error(message, ['format']));
    }
    const isTaken = book
      .of(shop)
      .some((other) => other.id !== own && SAME.every((key) => other[key] === record[key]));
    if (isTaken) found.push(addressError('Address for this topic has already been taken'));
    if (record.name !== null && !/^[\w-]{1,50}$/.test(record.name)) {
      const message = 'Name name field can only contain alphanumeric characters, underscores, and hyphens';
      found.push(error(message, ['name']));
    }
    if (record.filter !== null && !parseSearch(record.filter)?.fields.length) {
      const hint = 'please ensure you specify the field(s) you wish to filter on.';
      found.push(error(`The specified filter is invalid, ${hint}`));
    }
    return found;
  }

  /** Without the scope of a topic the mutation says it in a user error, as apps have reported. */
  function topicFaults(topic: Topic): UserError[] {
    if (topic.scope !== null && !holds(scopes, topic.scope)) {
      if (store.get<boolean>('settings.topicsDenied')) {
        needScope('webhookSubscriptionCreate', scopes, [topic.scope]);
      }
      return [error('You cannot create a webhook subscription with the specified topic')];
    }
    if (!topic.isProtected || isApproved(store)) return [];
    const page = 'https://shopify.dev/docs/apps/launch/protected-customer-data';
    const about = 'webhook topics containing protected customer data';
    return [error(`This app is not approved to subscribe to ${about}. See ${page} for more details.`)];
  }

  return {
    webhookSubscription({ id }: { id: string }) {
      const found = find(id);
      return found ? subscriptionNode(found) : null;
    },

    webhookSubscriptions(given: SubscriptionListArguments, shared: Shared) {
      const { topics, format } = given;
      const uris = [given.uri, given.callbackUrl].filter((uri) => uri != null);
      const all = book
        .of(shop)
        .filter(
          (record) =>
            (!topics || topics.includes(record.topic)) &&
            (!format || format === record.format) &&
            uris.every((uri) => uri === record.uri),
        );
      return connection(
        search('webhookSubscriptions', all, given, SEARCHED, shared),
        given,
        (record) => ({ value: given.sortKey === 'ID' ? 0 : record.createdAt, id: record.id }),
        subscriptionNode,
      );
    },

    webhookSubscriptionCreate(given: { topic: string; webhookSubscription: Input }) {
      const topic = TOPICS.find(({ value }) => value === given.topic);
      if (!topic) throw new Error(`the schema has a topic ${given.topic} that the table has not`);
      const blank: Draft = {
        topic: topic.value,
        uri: '',
        format: 'JSON',
        filter: null,
        includeFields: [],
        name: null,
      };
      const draft = { ...blank, ...readInput(given.webhookSubscription) };
      const userErrors = [...topicFaults(topic), ...faults(draft)];
      if (userErrors.length > 0) return { webhookSubscription: null, userErrors };
      const record = book.create(shop, { ...draft, format: 'JSON' });
      return { webhookSubscription: subscriptionNode(record), userErrors };
    },

    webhookSubscriptionUpdate(given: { id: string; webhookSubscription: Input }) {
      const record = find(given.id);
      if (!record) return { webhookSubscription: null, userErrors: [GONE] };
      const draft = { ...record, ...readInput(given.webhookSubscription) };
      const userErrors = faults(draft, record.id);
      if (userErrors.length > 0) return { webhookSubscription: null, userErrors };
      const changed = book.change({ ...draft, format: 'JSON' });
      return { webhookSubscription: subscriptionNode(changed), userErrors };
    },

    webhookSubscriptionDelete({ id }: { id: string }) {
      const record = find(id);
      if (!record) return { deletedWebhookSubscriptionId: null, userErrors: [GONE] };
      book.remove(record);
      return { deletedWebhookSubscriptionId: id, userErrors: [] };
    },
  };
}

function subscriptionNode(record: Subscription) {
  return {
    id: gid(TYPE, record.id),
    legacyResourceId: record.id,
    apiVersion: { handle: WEBHOOK_VERSION, displayName: `${WEBHOOK_VERSION} (Latest)`, supported: true },
    topic: record.topic,
    uri: record.uri,
    callbackUrl: record.uri,
    format: record.format,
    filter: record.filter,
    includeFields: record.includeFields,
    name: record.name,
    createdAt: toDateTime(record.createdAt),
    updatedAt: toDateTime(record.updatedAt),
  };
}
