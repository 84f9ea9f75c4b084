import type Stripe from 'stripe';
import { DAY, type EventData, type Moment, newId } from './moment.ts';

/** The library makes decimals of strings, so its types are not those of the wire below here. */
type Subscription = Omit<Stripe.Subscription, 'items'> & { items: object };

const kept = { comment: null, feedback: null, feedback_option: null, reason: null };
const cancelled = { ...kept, reason: 'cancellation_requested' };

/** A monthly subscription after `customer.subscription.WHAT` (docs.stripe.com/api/subscriptions/object). */
export function subscriptionData(what: string, moment: Moment): EventData {
  const { created, livemode } = moment;
  const id = newId('sub');
  const start = what === 'created' ? created : created - 10 * DAY;
  const end = start + 30 * DAY;
  const subscription: Subscription = {
    id,
    object: 'subscription',
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: start,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: 'included' }, type: 'flexible' },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: kept,
    collection_method: 'charge_automatically',
    created: start,
    currency: 'usd',
    customer: newId('cus', 14),
    customer_account: null,
    days_until_due: null,
    default_payment_method: newId('pm'),
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    ended_at: null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: 'self' },
    },
    items: {
      object: 'list',
      data: [item(id, start, end, livemode)],
      has_more: false,
      total_count: 1,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: newId('in'),
    livemode,
    managed_payments: { enabled: false },
    metadata: {},
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: start,
    status: 'active',
    test_clock: null,
    transfer_data: null,
    trial_end: null,
    trial_settings: {
      end_behavior: { billing_cycle_anchor: null, missing_payment_method: 'create_invoice' },
    },
    trial_start: null,
  };
  const { previous_attributes, ...changes } = after(what, created, end);
  return { object: { ...subscription, ...changes }, ...(previous_attributes && { previous_attributes }) };
}

type Changes = Partial<Subscription> & { previous_attributes?: object };

function after(what: string, created: number, end: number): Changes {
  switch (what) {
    // Its customer cancels it for the end of the month.
    case 'updated':
      return {
        cancel_at: end,
        cancel_at_period_end: true,
        canceled_at: created,
        cancellation_details: cancelled,
        previous_attributes: {
          cancel_at: null,
          cancel_at_period_end: false,
          canceled_at: null,
          cancellation_details: { reason: null },
        },
      };
    case 'deleted':
      return {
        status: 'canceled',
        canceled_at: created,
        ended_at: created,
        cancellation_details: cancelled,
      };
    case 'paused':
      return { status: 'paused' };
    case 'trial_will_end':
      return { status: 'trialing', trial_start: created - 11 * DAY, trial_end: created + 3 * DAY };
    default:
      return {};
  }
}

function item(subscription: string, start: number, end: number, livemode: boolean) {
  const common = {
    id: newId('price'),
    active: true,
    billing_scheme: 'per_unit',
    created: start,
    currency: 'usd',
    livemode,
    metadata: {},
    nickname: null,
    product: newId('prod', 14),
    tiers_mode: null,
  };
  const rhythm = {
    interval: 'month',
    interval_count: 1,
    meter: null,
    trial_period_days: null,
    usage_type: 'licensed',
  };
  return {
    id: newId('si', 14),
    object: 'subscription_item',
    billing_thresholds: null,
    created: start,
    current_period_end: end,
    current_period_start: start,
    current_trial: null,
    discounts: [],
    metadata: {},
    plan: {
      ...common,
      ...rhythm,
      object: 'plan',
      amount: 24_00,
      amount_decimal: '2400',
      transform_usage: null,
    },
    price: {
      ...common,
      object: 'price',
      custom_unit_amount: null,
      lookup_key: null,
      recurring: rhythm,
      tax_behavior: 'unspecified',
      transform_quantity: null,
      type: 'recurring',
      unit_amount: 24_00,
      unit_amount_decimal: '2400',
    },
    quantity: 1,
    subscription,
    tax_rates: [],
  };
}
