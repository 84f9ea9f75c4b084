import { z } from 'zod';
import { StripeRefusal } from './errors.ts';

/** What every list takes (docs.stripe.com/api/pagination). */
export const listParameters = {
  limit: z.coerce.number().int().min(1).max(100),
  starting_after: z.string(),
  ending_before: z.string(),
  expand: z.array(z.string()),
};

/** Of objects that have nothing to expand. */
export const expandNothing = z.array(z.string()).max(0, 'This property cannot be expanded');

const filter = z.union([z.string(), z.array(z.string()), z.record(z.string(), z.string())]);
const filters = (names: string) => Object.fromEntries(names.split(' ').map((name) => [name, filter]));

/** The lists behind Reeve's tools: the permission each wants and the filters it takes (stripe 23.1.0). */
export const LISTS: Record<string, { permission: string; query: z.ZodType<Page> }> = {
  subscriptions: collection(
    'subscription_read',
    'automatic_tax collection_method created current_period_end current_period_start customer customer_account plan price status test_clock',
  ),
  invoices: collection(
    'invoice_read',
    'collection_method created customer customer_account due_date status subscription',
  ),
  customers: collection('customer_read', 'created email test_clock'),
  charges: collection('charge_read', 'created customer payment_intent transfer_group'),
  prices: collection('plan_read', 'active created currency lookup_keys product recurring type'),
  products: collection('product_read', 'active created ids shippable type url'),
  balance_transactions: collection('balance_read', 'created currency payout source type'),
};

interface Page {
  limit?: number | undefined;
  starting_after?: string | undefined;
  ending_before?: string | undefined;
}

function collection(permission: string, names: string) {
  return { permission, query: z.strictObject({ ...filters(names), ...listParameters }).partial() };
}

/** One page of a list, newest first as `items` are. */
export function list<T extends { id: string }>(url: string, items: T[], page: Page) {
  const { limit = 10, starting_after: after, ending_before: before } = page;
  // Stripe does not say which of the two it would follow.
  if (after !== undefined && before !== undefined) {
    const message = 'You may only specify one of these parameters: starting_after, ending_before.';
    throw new StripeRefusal(400, message);
  }
  const at = (id: string, param: string) => {
    const index = items.findIndex((item) => item.id === id);
    if (index >= 0) return index;
    throw new StripeRefusal(400, `No such object: '${id}'`, { code: 'resource_missing', param });
  };
  if (before !== undefined) {
    const end = at(before, 'ending_before');
    const data = items.slice(Math.max(0, end - limit), end);
    return { object: 'list', data, has_more: end > limit, url };
  }
  const start = after === undefined ? 0 : at(after, 'starting_after') + 1;
  const data = items.slice(start, start + limit);
  return { object: 'list', data, has_more: items.length > start + limit, url };
}
