import type Stripe from 'stripe';
import { randomLetters } from './keys.ts';
import { DAY, type EventData, type Moment, newId } from './moment.ts';

/** The library makes decimals of strings, so its types are not those of the wire below here. */
type Invoice = Omit<Stripe.Invoice, 'lines'> & { lines: object };

const AMOUNT = 24_00;

const STATUS: Record<string, Stripe.Invoice.Status> = {
  created: 'draft',
  deleted: 'draft',
  finalization_failed: 'draft',
  upcoming: 'draft',
  overpaid: 'paid',
  paid: 'paid',
  payment_succeeded: 'paid',
  updated: 'paid',
  marked_uncollectible: 'uncollectible',
  voided: 'void',
};

/** A subscription's invoice after `invoice.WHAT` (docs.stripe.com/invoicing/overview#invoice-statuses). */
export function invoiceData(what: string, moment: Moment): EventData {
  const { account, created, livemode } = moment;
  const id = newId(what === 'upcoming' ? 'upcoming_in' : 'in');
  const status = STATUS[what] ?? 'open';
  const isDraft = status === 'draft';
  const paid = status === 'paid' ? AMOUNT : 0;
  const attempted = paid > 0 || what.startsWith('payment_');
  const page = `https://invoice.stripe.com/i/${account.id}/${livemode ? 'live' : 'test'}_${randomLetters(60)}`;
  const subscription = newId('sub');
  const period = { start: created - 30 * DAY, end: created };
  const invoice: Invoice = {
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: account.name,
    account_tax_ids: null,
    amount_due: AMOUNT,
    amount_overpaid: 0,
    amount_paid: paid,
    amount_remaining: AMOUNT - paid,
    amount_shipping: 0,
    application: null,
    attempt_count: attempted ? 1 : 0,
    attempted,
    auto_advance: isDraft || status === 'open',
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: isDraft ? created + 3600 : null,
    billing_reason: what === 'upcoming' ? 'upcoming' : 'subscription_cycle',
    collection_method: 'charge_automatically',
    created,
    currency: 'usd',
    custom_fields: null,
    customer: newId('cus', 14),
    customer_account: null,
    customer_address: null,
    customer_email: 'zoe@customer.example',
    // Beyond ASCII, so that bytes are not characters.
    customer_name: 'Zoë Müller',
    customer_phone: null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: isDraft ? null : created,
    ending_balance: isDraft ? null : 0,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: isDraft ? null : `${page}?s=ap`,
    invoice_pdf: isDraft ? null : `${page}/pdf?s=ap`,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: {
      object: 'list',
      data: [line(id, subscription, period, livemode)],
      has_more: false,
      total_count: 1,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode,
    metadata: {},
    next_payment_attempt: isDraft ? created + 3600 : null,
    number: isDraft ? null : `${randomLetters(8).toUpperCase()}-0001`,
    on_behalf_of: null,
    parent: {
      quote_details: null,
      subscription_details: { metadata: {}, subscription },
      type: 'subscription_details',
    },
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: period.end,
    period_start: period.start,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status,
    status_transitions: {
      finalized_at: isDraft ? null : created,
      marked_uncollectible_at: status === 'uncollectible' ? created : null,
      paid_at: paid > 0 ? created : null,
      voided_at: status === 'void' ? created : null,
    },
    subtotal: AMOUNT,
    subtotal_excluding_tax: AMOUNT,
    test_clock: null,
    total: AMOUNT,
    total_discount_amounts: [],
    total_excluding_tax: AMOUNT,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: null,
  };
  return { object: invoice, ...(what === 'updated' && { previous_attributes: UNPAID }) };
}

/** What an open invoice was before it got paid. */
const UNPAID = {
  amount_paid: 0,
  amount_remaining: AMOUNT,
  attempt_count: 0,
  attempted: false,
  auto_advance: true,
  status: 'open',
  status_transitions: { paid_at: null },
};

const line = (invoice: string, subscription: string, period: object, livemode: boolean) => ({
  id: newId('il'),
  object: 'line_item',
  amount: AMOUNT,
  currency: 'usd',
  description: '1 × Reeve (at $24.00 / month)',
  discount_amounts: [],
  discountable: true,
  discounts: [],
  invoice,
  livemode,
  metadata: {},
  parent: {
    invoice_item_details: null,
    subscription_item_details: {
      invoice_item: null,
      proration: false,
      proration_details: { credited_items: null },
      subscription,
      subscription_item: newId('si', 14),
    },
    type: 'subscription_item_details',
  },
  period,
  pretax_credit_amounts: [],
  pricing: {
    price_details: { price: newId('price'), product: newId('prod', 14) },
    type: 'price_details',
    unit_amount_decimal: '2400',
  },
  quantity: 1,
  quantity_decimal: '1',
  subscription: null,
  subtotal: AMOUNT,
  taxes: [],
});
