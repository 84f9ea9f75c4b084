import type Stripe from 'stripe';
import { randomLetters } from './keys.ts';
import { type EventData, type Moment, newId } from './moment.ts';

const AMOUNT = 24_00;

/** A PaymentIntent after `payment_intent.WHAT` (docs.stripe.com/payments/paymentintents/lifecycle). */
export function paymentIntentData(what: string, { created, livemode }: Moment): EventData {
  const id = newId('pi');
  const intent: Stripe.PaymentIntent = {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: AMOUNT,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: { allow_redirects: 'always', enabled: true },
    canceled_at: null,
    cancellation_reason: null,
    capture_method: what === 'amount_capturable_updated' ? 'manual' : 'automatic_async',
    client_secret: `${id}_secret_${randomLetters(25)}`,
    confirmation_method: 'automatic',
    created,
    currency: 'usd',
    customer: newId('cus', 14),
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode,
    managed_payments: { enabled: false },
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {
      card: {
        installments: null,
        mandate_options: null,
        network: null,
        request_three_d_secure: 'automatic',
      },
    },
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  };
  return { object: { ...intent, ...after(what, created) } };
}

function after(what: string, created: number): Partial<Stripe.PaymentIntent> {
  const payment_method = newId('pm');
  const latest_charge = newId('ch');
  switch (what) {
    case 'succeeded':
      return { status: 'succeeded', amount_received: AMOUNT, latest_charge, payment_method };
    case 'amount_capturable_updated':
      return { status: 'requires_capture', amount_capturable: AMOUNT, latest_charge, payment_method };
    case 'payment_failed':
      return { latest_charge, last_payment_error: declined(latest_charge) };
    case 'processing':
      return { status: 'processing', processing: { type: 'card' }, payment_method };
    case 'requires_action':
    case 'partially_funded':
      return { status: 'requires_action', next_action: { type: 'use_stripe_sdk' }, payment_method };
    case 'canceled':
      return { status: 'canceled', canceled_at: created, cancellation_reason: 'requested_by_customer' };
    default:
      return {};
  }
}

const declined = (charge: string): Stripe.PaymentIntent.LastPaymentError => ({
  charge,
  code: 'card_declined',
  decline_code: 'generic_decline',
  doc_url: 'https://stripe.com/docs/error-codes/card-declined',
  message: 'Your card was declined.',
  type: 'card_error',
});
