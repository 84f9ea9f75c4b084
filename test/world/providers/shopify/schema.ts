import { RESOURCES } from './schema-resources.ts';
import { TOPICS } from './topics.ts';

const LIST = 'after: String, before: String, first: Int, last: Int, query: String, reverse: Boolean = false';

/**
 * The part of the 2026-10 schema that the simulator knows (docs/api/admin-graphql). What is not in it is refused
 * as what does not exist.
 */
export const SDL = `
schema { query: QueryRoot mutation: Mutation }

scalar DateTime
scalar Decimal
scalar URL
scalar UnsignedInt64

type QueryRoot {
  currentAppInstallation: AppInstallation!
  inventoryItems(${LIST}): InventoryItemConnection!
  order(id: ID!): Order
  orders(${LIST}, sortKey: OrderSortKeys = PROCESSED_AT): OrderConnection!
  product(id: ID!): Product
  products(${LIST}, sortKey: ProductSortKeys = ID): ProductConnection!
  shop: Shop!
  webhookSubscription(id: ID!): WebhookSubscription
  webhookSubscriptions(${LIST}, callbackUrl: URL, format: WebhookSubscriptionFormat,
    sortKey: WebhookSubscriptionSortKeys = CREATED_AT, topics: [WebhookSubscriptionTopic!], uri: String
  ): WebhookSubscriptionConnection!
}

type Mutation {
  appUninstall: AppUninstallPayload
  webhookSubscriptionCreate(topic: WebhookSubscriptionTopic!, webhookSubscription: WebhookSubscriptionInput!): WebhookSubscriptionCreatePayload
  webhookSubscriptionDelete(id: ID!): WebhookSubscriptionDeletePayload
  webhookSubscriptionUpdate(id: ID!, webhookSubscription: WebhookSubscriptionInput!): WebhookSubscriptionUpdatePayload
}

type Shop {
  contactEmail: String!
  currencyCode: CurrencyCode!
  email: String!
  ianaTimezone: String!
  id: ID!
  myshopifyDomain: String!
  name: String!
  url: URL!
}

type AppInstallation { accessScopes: [AccessScope!]! app: App! id: ID! }
type AccessScope { description: String! handle: String! }
type App { apiKey: String! id: ID! title: String! }

type AppUninstallPayload { app: App userErrors: [AppUninstallAppUninstallError!]! }
type AppUninstallAppUninstallError { code: AppUninstallAppUninstallErrorCode field: [String!] message: String! }
enum AppUninstallAppUninstallErrorCode {
  APP_NOT_FOUND APP_NOT_INSTALLED APP_UNINSTALL_ERROR USER_PERMISSIONS_INSUFFICIENT
}

enum CurrencyCode { EUR USD }
type MoneyBag { presentmentMoney: MoneyV2! shopMoney: MoneyV2! }
type MoneyV2 { amount: Decimal! currencyCode: CurrencyCode! }
type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
type UserError { field: [String!] message: String! }

type WebhookSubscription {
  apiVersion: ApiVersion!
  callbackUrl: URL! @deprecated(reason: "Use \`uri\` instead.")
  createdAt: DateTime!
  filter: String
  format: WebhookSubscriptionFormat!
  id: ID!
  includeFields: [String!]!
  legacyResourceId: UnsignedInt64!
  name: String
  topic: WebhookSubscriptionTopic!
  updatedAt: DateTime!
  uri: String!
}
type ApiVersion { displayName: String! handle: String! supported: Boolean! }
type WebhookSubscriptionConnection {
  edges: [WebhookSubscriptionEdge!]! nodes: [WebhookSubscription!]! pageInfo: PageInfo!
}
type WebhookSubscriptionEdge { cursor: String! node: WebhookSubscription! }

input WebhookSubscriptionInput {
  callbackUrl: URL @deprecated(reason: "Use \`uri\` instead.")
  filter: String
  format: WebhookSubscriptionFormat
  includeFields: [String!]
  name: String
  uri: String
}
enum WebhookSubscriptionFormat { JSON XML }
enum WebhookSubscriptionSortKeys { CREATED_AT ID }
enum WebhookSubscriptionTopic { ${TOPICS.map(({ value }) => value).join(' ')} }
type WebhookSubscriptionCreatePayload { userErrors: [UserError!]! webhookSubscription: WebhookSubscription }
type WebhookSubscriptionDeletePayload { deletedWebhookSubscriptionId: ID userErrors: [UserError!]! }
type WebhookSubscriptionUpdatePayload { userErrors: [UserError!]! webhookSubscription: WebhookSubscription }
${RESOURCES}`;
