import { catalog } from './connectors/catalog.ts';
import { connect } from './connectors/connect.ts';
import { disconnect } from './connectors/disconnect.ts';
import { list } from './connectors/list.ts';
import { repositories, watchRepositories } from './connectors/repositories.ts';
import { test } from './connectors/test.ts';
import { events } from './events/list.ts';
import { redeliverEvent } from './events/redeliver.ts';
import { health } from './health.ts';
import { authorize } from './oauth/authorize.ts';
import { callback } from './oauth/callback.ts';
import { githubAppWebhook, githubWebhook } from './webhooks/github.ts';
import { shopifyAppWebhook, shopifyWebhook } from './webhooks/shopify.ts';
import { stripeWebhook } from './webhooks/stripe.ts';

/** The API: an endpoint a file, in the order in which paths are matched. */
export const endpoints = [
  catalog,
  list,
  repositories,
  watchRepositories,
  connect,
  disconnect,
  test,
  authorize,
  callback,
  events,
  redeliverEvent,
  shopifyWebhook,
  shopifyAppWebhook,
  stripeWebhook,
  githubWebhook,
  githubAppWebhook,
  health,
];
