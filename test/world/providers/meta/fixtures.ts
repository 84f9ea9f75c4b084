/**
 * The people who can approve in the dialog. A user id is scoped to an app: `id` is the one our app sees,
 * `elsewhere` the one that any other app sees.
 */
export const PEOPLE = [
  {
    name: 'Nora Lind',
    id: '10230948571230981',
    elsewhere: '7719283746501928',
    email: 'nora@lind.example',
    adAccounts: ['2201450983317640', '884120573', '730091846625'],
  },
  {
    name: 'Otto Brandt',
    id: '10198273640019283',
    elsewhere: '7650019283746112',
    email: 'otto@brandt.example',
    adAccounts: ['5518230947'],
  },
  {
    name: 'Pia Ruiz',
    id: '10277364500918273',
    elsewhere: '7801928374650033',
    email: 'pia@ruiz.example',
    adAccounts: [],
  },
] as const;

export type Person = (typeof PEOPLE)[number];

/** `account_status`: 1 active, 2 disabled, 101 closed. */
const ACCOUNTS = [
  account('2201450983317640', 'Lind Outdoor – EU', 1, 'EUR', 'Europe/Stockholm', '1284530'),
  account('884120573', 'Lind Outdoor – US', 1, 'USD', 'America/New_York', '402915'),
  account('730091846625', 'Lind (old)', 101, 'SEK', 'Europe/Stockholm', '0'),
  account('5518230947', 'Brandt Kaffee', 2, 'EUR', 'Europe/Berlin', '73155'),
];

/** Budgets and amounts are strings in minor units. */
const CAMPAIGNS = [
  campaign('2201450983317640', '120210000000010', 'Spring tents', 'OUTCOME_SALES', 'ACTIVE', '25000'),
  campaign('2201450983317640', '120210000000020', 'Newsletter', 'OUTCOME_LEADS', 'PAUSED', '5000'),
  campaign('884120573', '120310000000010', 'Backpacks', 'OUTCOME_SALES', 'ACTIVE', '40000'),
];

/** Every number in a report is a string; `purchase_roas` is absent where there was no purchase. */
const REPORTS: Record<string, Record<string, unknown>> = {
  '120210000000010': {
    ...report('812.44', '90211', '1804', '43120'),
    actions: [{ action_type: 'omni_purchase', value: '37' }],
    action_values: [{ action_type: 'omni_purchase', value: '1876.74' }],
    purchase_roas: [{ action_type: 'omni_purchase', value: '2.31' }],
    website_purchase_roas: [{ action_type: 'offsite_conversion.fb_pixel_purchase', value: '2.31' }],
  },
  '120210000000020': {
    ...report('64.1', '8001', '97', '5210'),
    actions: [{ action_type: 'lead', value: '12' }],
  },
  '120310000000010': {
    ...report('1201.9', '120500', '2010', '61000'),
    actions: [{ action_type: 'omni_purchase', value: '21' }],
    action_values: [{ action_type: 'omni_purchase', value: '1430.26' }],
    purchase_roas: [{ action_type: 'omni_purchase', value: '1.19' }],
  },
};

function account(
  id: string,
  name: string,
  account_status: number,
  currency: string,
  timezone_name: string,
  amount_spent: string,
) {
  return { id: `act_${id}`, account_id: id, name, account_status, currency, timezone_name, amount_spent };
}

function campaign(
  account_id: string,
  id: string,
  name: string,
  objective: string,
  effective_status: 'ACTIVE' | 'PAUSED',
  daily_budget: string,
) {
  const start_time = '2026-03-01T08:00:00+0100';
  return {
    id,
    account_id,
    name,
    objective,
    status: effective_status,
    effective_status,
    daily_budget,
    start_time,
  };
}

function report(spend: string, impressions: string, clicks: string, reach: string) {
  const [money, shown, clicked] = [Number(spend), Number(impressions), Number(clicks)];
  return {
    spend,
    impressions,
    clicks,
    reach,
    ctr: ((100 * clicked) / shown).toFixed(6),
    cpc: (money / clicked).toFixed(6),
    cpm: ((1000 * money) / shown).toFixed(6),
  };
}

export const personNamed = (name: string): Person | undefined => PEOPLE.find((each) => each.name === name);

export function adAccountsOf(person: Person) {
  const own: readonly string[] = person.adAccounts;
  return ACCOUNTS.filter((each) => own.includes(each.account_id));
}

export const campaignsOf = (accountId: string) => CAMPAIGNS.filter((each) => each.account_id === accountId);

export const reportOf = (campaignId: string): Record<string, unknown> => REPORTS[campaignId] ?? {};
