import * as z from 'zod';
import type { Access, Answer, Gap, HttpRequest, Missed, MissedDelivery } from './provider.ts';
import { ask, isDenied } from './shopify-api.ts';

/** https://shopify.dev/docs/apps/build/webhooks/delivery: for four hours, and a little. */
const RETRIED = 5 * 3_600_000;
const PAGES = 10;

const money = z.object({ shopMoney: z.object({ amount: z.string(), currencyCode: z.string() }) });
/** Into the database goes nothing that it would not take: https://shopify.dev/docs/api/usage/gids */
const gid = z.string().regex(/^gid:\/\/shopify\/[A-Za-z]{1,60}\/\d{1,30}$/);
const resource = z.object({
  id: gid,
  legacyResourceId: z.string().regex(/^\d+$/),
  createdAt: z.iso.datetime({ offset: true }),
  updatedAt: z.iso.datetime({ offset: true }),
});
const page = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() });

interface List {
  topic: string;
  type: string;
  query: string;
  /** By which a shop is searched. */
  time: 'created_at' | 'updated_at';
  /** What a delivery would say, as far as it can be asked for. */
  read: (json: unknown) => { nodes: Found[]; page: z.infer<typeof page> } | undefined;
}

type Found = z.infer<typeof resource> & { body: object };

const variables = '($after: String, $query: String)';
const argumentsOf = (key: string) => `first: 50, after: $after, query: $query, sortKey: ${key}`;
const common = 'id legacyResourceId createdAt updatedAt';

const orders = z.object({
  data: z.object({
    orders: z.object({
      nodes: z.array(
        resource.extend({
          name: z.string(),
          displayFinancialStatus: z.string().nullable(),
          totalPriceSet: money,
        }),
      ),
      pageInfo: page,
    }),
  }),
});
const products = z.object({
  data: z.object({
    products: z.object({
      nodes: z.array(resource.extend({ title: z.string(), status: z.string(), vendor: z.string() })),
      pageInfo: page,
    }),
  }),
});

/** What can be asked for; Shopify does not say which inventory levels have changed. */
const lists: List[] = [
  {
    topic: 'orders/create',
    type: 'shopify.order.created',
    time: 'created_at',
    query: `query ${variables} { orders(${argumentsOf('CREATED_AT')}) {
      nodes { ${common} name displayFinancialStatus totalPriceSet { shopMoney { amount currencyCode } } }
      pageInfo { hasNextPage endCursor } } }`,
    read(json) {
      const found = orders.safeParse(json).data?.data.orders;
      return (
        found && {
          page: found.pageInfo,
          nodes: found.nodes.map((node) => ({
            ...node,
            body: {
              name: node.name,
              financial_status: node.displayFinancialStatus?.toLowerCase() ?? null,
              total_price: node.totalPriceSet.shopMoney.amount,
              currency: node.totalPriceSet.shopMoney.currencyCode,
            },
          })),
        }
      );
    },
  },
  {
    topic: 'products/update',
    type: 'shopify.product.updated',
    time: 'updated_at',
    query: `query ${variables} { products(${argumentsOf('UPDATED_AT')}) {
      nodes { ${common} title status vendor }
      pageInfo { hasNextPage endCursor } } }`,
    read(json) {
      const found = products.safeParse(json).data?.data.products;
      return (
        found && {
          page: found.pageInfo,
          nodes: found.nodes.map((node) => ({
            ...node,
            body: { title: node.title, status: node.status.toLowerCase(), vendor: node.vendor },
          })),
        }
      );
    },
  },
];

/** https://shopify.dev/docs/api/usage/search-syntax, oldest first: where there is more, the rest is left for later. */
function* missedOf(
  access: Access,
  list: List,
  { since, end }: { since: Date; end: Date },
): Generator<HttpRequest, Missed, Answer> {
  const query = `${list.time}:>='${since.toISOString()}' AND ${list.time}:<'${end.toISOString()}'`;
  const found: Found[] = [];
  let after: string | null = null;
  for (let at = 0; at < PAGES; at += 1) {
    const answer: Answer = yield ask(access, list.query, { after, query });
    const read = list.read(answer.json);
    if (isDenied(answer)) return { unable: true };
    // What was read counts, and the rest is asked for again.
    if (answer.status !== 200 || !read) break;
    found.push(...read.nodes);
    if (!read.page.hasNextPage) {
      return { deliveries: found.map((each) => toDelivery(access, list, each)), until: end, hasMore: false };
    }
    after = read.page.endCursor;
  }
  const last = found.at(-1);
  const until = new Date((list.time === 'created_at' ? last?.createdAt : last?.updatedAt) ?? since);
  return { deliveries: found.map((each) => toDelivery(access, list, each)), until, hasMore: until > since };
}

function toDelivery({ config }: Access, { topic, type, time }: List, found: Found): MissedDelivery {
  const { id, legacyResourceId, createdAt, updatedAt, body } = found;
  const times = { created_at: createdAt, updated_at: updatedAt };
  const subject = subjectOf(topic, { admin_graphql_api_id: id, ...times });
  return {
    text: `{"id":${legacyResourceId},${JSON.stringify({ admin_graphql_api_id: id, ...times, ...body }).slice(1)}`,
    told: {
      topic,
      type,
      id: `missed:${topic}:${subject.subject ?? id}`,
      ...subject,
      occurredAt: new Date(times[time]),
      facts: { shop: config.shop ?? '' },
    },
  };
}

const about = z.object({ admin_graphql_api_id: gid, updated_at: z.string().optional() });

/** An order is made once; a product changes with its time. None where a body names nothing as Shopify does. */
export function subjectOf(topic: string, json: unknown): { subject?: string } {
  const body = about.safeParse(json).data;
  if (topic === 'orders/create' && body) return { subject: body.admin_graphql_api_id };
  const at = Date.parse(body?.updated_at ?? '');
  if (topic !== 'products/update' || !body || Number.isNaN(at)) return {};
  return { subject: `${body.admin_graphql_api_id}@${Math.floor(at / 1000)}` };
}

/** Orders that were made within a gap, and products that were changed, as far as Shopify tells. */
export function* missedChanges(
  access: Access,
  { since, until }: Gap,
): Generator<HttpRequest, Missed, Answer> {
  // What is still being retried comes by itself.
  const end = new Date(until.getTime() - RETRIED);
  if (end <= since) return { deliveries: [], until: since, hasMore: false };
  const found: Missed[] = [];
  for (const list of lists) found.push(yield* missedOf(access, list, { since, end }));
  const able = found.filter((each) => 'deliveries' in each);
  if (able.length === 0) return { unable: true };
  return {
    deliveries: able.flatMap((each) => each.deliveries),
    until: new Date(Math.min(...able.map((each) => each.until.getTime()))),
    hasMore: able.some((each) => each.hasMore),
  };
}
