import { type Customer, hierarchy } from './people.ts';

export type Value = string | number | boolean;
/** A row by field name, as GAQL writes it (`campaign.id`); the metrics are those of one day. */
export type Row = Record<string, Value>;

const CUSTOMER_FIELDS = [
  'resource_name',
  'id',
  'descriptive_name',
  'currency_code',
  'time_zone',
  'manager',
  'test_account',
  'status',
].map((name) => `customer.${name}`);
const CAMPAIGN_FIELDS = [
  'campaign.resource_name',
  'campaign.id',
  'campaign.name',
  'campaign.status',
  'campaign.advertising_channel_type',
];
const AD_GROUP_FIELDS = ['ad_group.resource_name', 'ad_group.id', 'ad_group.name', 'ad_group.status'];
const CRITERION_FIELDS = [
  'ad_group_criterion.resource_name',
  'ad_group_criterion.criterion_id',
  'ad_group_criterion.keyword.text',
  'ad_group_criterion.keyword.match_type',
  'ad_group_criterion.status',
];
const CLIENT_FIELDS = [
  'resource_name',
  'client_customer',
  'id',
  'descriptive_name',
  'currency_code',
  'time_zone',
  'level',
  'manager',
  'test_account',
  'status',
  'hidden',
].map((name) => `customer_client.${name}`);

export const METRICS = [
  'impressions',
  'clicks',
  'cost_micros',
  'conversions',
  'conversions_value',
  'ctr',
  'average_cpc',
].map((name) => `metrics.${name}`);

/** What each resource of this simulator can be asked, beside the metrics and `segments.date`. */
export const RESOURCES: Record<string, { fields: string[]; hasMetrics: boolean }> = {
  customer: { fields: CUSTOMER_FIELDS, hasMetrics: true },
  customer_client: { fields: [...CLIENT_FIELDS, ...CUSTOMER_FIELDS], hasMetrics: false },
  campaign: { fields: [...CAMPAIGN_FIELDS, ...CUSTOMER_FIELDS], hasMetrics: true },
  ad_group: { fields: [...AD_GROUP_FIELDS, ...CAMPAIGN_FIELDS, ...CUSTOMER_FIELDS], hasMetrics: true },
  keyword_view: {
    fields: [
      'keyword_view.resource_name',
      ...CRITERION_FIELDS,
      ...AD_GROUP_FIELDS,
      ...CAMPAIGN_FIELDS,
      ...CUSTOMER_FIELDS,
    ],
    hasMetrics: true,
  },
  search_term_view: {
    fields: [
      ...['resource_name', 'search_term', 'status'].map((name) => `search_term_view.${name}`),
      ...AD_GROUP_FIELDS,
      ...CAMPAIGN_FIELDS,
      ...CUSTOMER_FIELDS,
    ],
    hasMetrics: true,
  },
};

/** int64 in the API: strings in JSON. */
export const INT64 = new Set([
  'customer.id',
  'customer_client.id',
  'customer_client.level',
  'campaign.id',
  'ad_group.id',
  'ad_group_criterion.criterion_id',
  'metrics.impressions',
  'metrics.clicks',
  'metrics.cost_micros',
]);

const CAMPAIGNS = [
  { name: 'Brand', status: 'ENABLED', channel: 'SEARCH', words: ['acme', 'acme shop'], scale: 4 },
  { name: 'Generic', status: 'PAUSED', channel: 'SEARCH', words: ['buy boxes'], scale: 1 },
  { name: 'Launch 2024', status: 'REMOVED', channel: 'DISPLAY', words: [], scale: 0 },
];

/** The rows of a resource for a customer; every row holds the metrics of an ordinary day. */
export function rowsOf(customer: Customer, resource: string): Row[] {
  const root = `customers/${customer.id}`;
  const own: Row = prefixed('customer', { ...customerRow(customer), resource_name: root });
  if (resource === 'customer') return [{ ...own, ...dayOf(5) }];
  if (resource === 'customer_client') {
    return hierarchy(customer.id).map(({ customer: client, level }) => ({
      ...own,
      ...prefixed('customer_client', {
        ...customerRow(client),
        resource_name: `${root}/customerClients/${client.id}`,
        client_customer: `customers/${client.id}`,
        level,
        hidden: false,
      }),
    }));
  }

  return CAMPAIGNS.flatMap(({ name, status, channel, words, scale }, index) => {
    const id = (Number(customer.id) % 1_000_000) * 10 + index;
    const campaign: Row = {
      ...own,
      ...prefixed('campaign', {
        resource_name: `${root}/campaigns/${id}`,
        id,
        name: `${customer.name} · ${name}`,
        status,
        advertising_channel_type: channel,
      }),
    };
    if (resource === 'campaign') return [{ ...campaign, ...dayOf(scale) }];
    const group: Row = {
      ...campaign,
      ...prefixed('ad_group', {
        resource_name: `${root}/adGroups/${id}1`,
        id: id * 10 + 1,
        name: `${name} group`,
        status: 'ENABLED',
      }),
    };
    if (resource === 'ad_group') return [{ ...group, ...dayOf(scale) }];
    return words.map((word, position) => {
      const criterion = id * 100 + position;
      const resourceName = `${root}/${resource === 'keyword_view' ? 'keywordViews' : 'searchTermViews'}`;
      return {
        ...group,
        ...prefixed('ad_group_criterion', {
          resource_name: `${root}/adGroupCriteria/${id}1~${criterion}`,
          criterion_id: criterion,
          'keyword.text': word,
          'keyword.match_type': 'PHRASE',
          status: 'ENABLED',
        }),
        ...prefixed(resource, { resource_name: `${resourceName}/${id}1~${criterion}` }),
        ...prefixed('search_term_view', { search_term: `${word} online`, status: 'ADDED' }),
        ...dayOf(scale / words.length),
      };
    });
  });
}

/** ctr and average_cpc follow from the others. */
function dayOf(scale: number): Row {
  return {
    'metrics.impressions': 900 * scale,
    'metrics.clicks': 12 * scale,
    'metrics.cost_micros': 1_234_567 * scale,
    'metrics.conversions': 1.5 * scale,
    'metrics.conversions_value': 40.25 * scale,
  };
}

function customerRow(customer: Customer): Row {
  return {
    id: Number(customer.id),
    descriptive_name: customer.name,
    currency_code: customer.currency,
    time_zone: customer.timeZone,
    manager: customer.isManager,
    test_account: customer.isTest,
    status: customer.status,
  };
}

function prefixed(prefix: string, row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [`${prefix}.${name}`, value]));
}
