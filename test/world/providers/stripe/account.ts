import type { AccountRecord, KeyRecord } from './keys.ts';

/** docs.stripe.com/api/accounts/object, as the account itself sees it. */
export function accountObject({ id, name, createdAt }: AccountRecord) {
  const nothing = null;
  return {
    id,
    object: 'account',
    business_profile: {
      annual_revenue: nothing,
      estimated_worker_count: nothing,
      mcc: '5734',
      minority_owned_business_designation: nothing,
      name,
      product_description: nothing,
      specified_commercial_transactions_act_url: nothing,
      support_address: nothing,
      support_email: nothing,
      support_phone: nothing,
      support_url: nothing,
      url: 'https://acme.example',
    },
    business_type: 'company',
    capabilities: { card_payments: 'active', transfers: 'active' },
    charges_enabled: true,
    controller: { type: 'account' },
    country: 'US',
    created: Math.floor(createdAt / 1000),
    default_currency: 'usd',
    details_submitted: true,
    email: 'owner@acme.example',
    metadata: {},
    payouts_enabled: true,
    settings: {
      bacs_debit_payments: { display_name: nothing, service_user_number: nothing },
      branding: { icon: nothing, logo: nothing, primary_color: nothing, secondary_color: nothing },
      card_payments: {
        statement_descriptor_prefix: 'ACME',
        statement_descriptor_prefix_kana: nothing,
        statement_descriptor_prefix_kanji: nothing,
      },
      dashboard: { display_name: name, timezone: 'America/New_York' },
      payments: {
        statement_descriptor: 'ACME INC',
        statement_descriptor_kana: nothing,
        statement_descriptor_kanji: nothing,
        statement_descriptor_prefix_kana: nothing,
        statement_descriptor_prefix_kanji: nothing,
      },
    },
    type: 'standard',
  };
}

/** docs.stripe.com/api/balance/balance_object; it names no account. */
export function balanceObject(record: KeyRecord) {
  const amount = (units: number) => [{ amount: units, currency: 'usd', source_types: { card: units } }];
  return {
    object: 'balance',
    available: amount(4_210_50),
    livemode: record.mode === 'live',
    pending: amount(128_00),
  };
}
