const PAGE = 'after: String, before: String, first: Int, last: Int, reverse: Boolean = false';

/** What can be listed: orders, products and inventory. */
export const RESOURCES = `
type Order {
  cancelledAt: DateTime
  createdAt: DateTime!
  currencyCode: CurrencyCode!
  currentTotalPriceSet: MoneyBag!
  customer: Customer
  displayFinancialStatus: OrderDisplayFinancialStatus
  id: ID!
  legacyResourceId: UnsignedInt64!
  lineItems(${PAGE}): LineItemConnection!
  name: String!
  number: Int!
  processedAt: DateTime!
  test: Boolean!
  totalPriceSet: MoneyBag!
  totalRefundedSet: MoneyBag!
  updatedAt: DateTime!
}
type OrderConnection { edges: [OrderEdge!]! nodes: [Order!]! pageInfo: PageInfo! }
type OrderEdge { cursor: String! node: Order! }
enum OrderSortKeys { CREATED_AT ID ORDER_NUMBER PROCESSED_AT TOTAL_PRICE UPDATED_AT }
enum OrderDisplayFinancialStatus {
  AUTHORIZED EXPIRED PAID PARTIALLY_PAID PARTIALLY_REFUNDED PENDING REFUNDED VOIDED
}
type Customer { id: ID! legacyResourceId: UnsignedInt64! }
type LineItem { id: ID! name: String! quantity: Int! sku: String title: String! }
type LineItemConnection { edges: [LineItemEdge!]! nodes: [LineItem!]! pageInfo: PageInfo! }
type LineItemEdge { cursor: String! node: LineItem! }

type Product {
  createdAt: DateTime!
  handle: String!
  id: ID!
  legacyResourceId: UnsignedInt64!
  priceRangeV2: ProductPriceRangeV2!
  productType: String!
  status: ProductStatus!
  tags: [String!]!
  title: String!
  totalInventory: Int!
  updatedAt: DateTime!
  vendor: String!
}
type ProductConnection { edges: [ProductEdge!]! nodes: [Product!]! pageInfo: PageInfo! }
type ProductEdge { cursor: String! node: Product! }
type ProductPriceRangeV2 { maxVariantPrice: MoneyV2! minVariantPrice: MoneyV2! }
enum ProductSortKeys { CREATED_AT ID TITLE UPDATED_AT VENDOR }
enum ProductStatus { ACTIVE ARCHIVED DRAFT UNLISTED }

type InventoryItem {
  createdAt: DateTime!
  id: ID!
  inventoryLevels(${PAGE}): InventoryLevelConnection!
  legacyResourceId: UnsignedInt64!
  requiresShipping: Boolean!
  sku: String
  tracked: Boolean!
  updatedAt: DateTime!
}
type InventoryItemConnection { edges: [InventoryItemEdge!]! nodes: [InventoryItem!]! pageInfo: PageInfo! }
type InventoryItemEdge { cursor: String! node: InventoryItem! }
type InventoryLevel {
  createdAt: DateTime!
  id: ID!
  location: Location!
  quantities(names: [String!]!): [InventoryQuantity!]!
  updatedAt: DateTime!
}
type InventoryLevelConnection { edges: [InventoryLevelEdge!]! nodes: [InventoryLevel!]! pageInfo: PageInfo! }
type InventoryLevelEdge { cursor: String! node: InventoryLevel! }
type InventoryQuantity { name: String! quantity: Int! }
type Location { id: ID! legacyResourceId: UnsignedInt64! name: String! }
`;
