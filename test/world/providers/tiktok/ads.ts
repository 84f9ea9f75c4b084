import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { type Advertiser, campaignsOf, LOGINS } from './advertisers.ts';
import { type Answers, jsonText, readQuery } from './answers.ts';
import { caller, READ_ACCOUNTS, scopesOf } from './oauth.ts';
import { DIMENSIONS, METRICS, reportRows } from './report.ts';
import type { TokenBook } from './tokens.ts';

const DAY = 86_400_000;

const INFO_FIELDS = ['advertiser_id', 'name', 'currency', 'timezone', 'country', 'status'] as const;
const CAMPAIGN_FIELDS = [
  'campaign_id',
  'advertiser_id',
  'campaign_name',
  'objective_type',
  'operation_status',
  'secondary_status',
  'budget',
  'budget_mode',
  'create_time',
  'modify_time',
] as const;

const page = {
  page: z.coerce.number().int().min(1).default(1),
  page_size: z.coerce.number().int().min(1).max(1000).default(10),
};
const infoQuery = z.strictObject({
  advertiser_ids: jsonText(z.array(z.string()).min(1).max(100)),
  fields: jsonText(z.array(z.enum(INFO_FIELDS)).min(1)).optional(),
});
const campaignQuery = z.strictObject({
  advertiser_id: z.string(),
  fields: jsonText(z.array(z.enum(CAMPAIGN_FIELDS)).min(1)).optional(),
  filtering: jsonText(z.strictObject({ campaign_ids: z.array(z.string()).min(1).max(100) })).optional(),
  ...page,
});
const reportQuery = z.strictObject({
  advertiser_id: z.string(),
  report_type: z.literal('BASIC'),
  data_level: z.literal('AUCTION_CAMPAIGN'),
  service_type: z.literal('AUCTION').optional(),
  dimensions: jsonText(z.array(z.enum(DIMENSIONS)).min(1)),
  metrics: jsonText(z.array(z.enum(METRICS)).min(1)).optional(),
  start_date: z.iso.date(),
  end_date: z.iso.date(),
  ...page,
});

/**
 * Reading the ad accounts: /advertiser/info/, /campaign/get/ and a part of /report/integrated/get/ (BASIC at
 * the level of campaigns), after the SDK's documents and portal/docs?id=1740302848100353.
 */
export function adsHandlers(context: SimulatorContext, tokens: TokenBook, answers: Answers) {
  const { ok, refuse } = answers;

  /** The caller's ad accounts, if the app has one of these permissions. */
  function accounts(c: Context, scopes: number[]): Advertiser[] | Response {
    const record = caller(c, tokens, answers);
    if (record instanceof Response) return record;
    if (!scopes.some((scope) => scopesOf(context).includes(scope))) return refuse(40001);
    return LOGINS.get(record.login) ?? [];
  }

  function paged(list: unknown[], { page, page_size }: { page: number; page_size: number }): Response {
    const total_number = list.length;
    return ok({
      list: list.slice((page - 1) * page_size, page * page_size),
      page_info: { page, page_size, total_number, total_page: Math.ceil(total_number / page_size) },
    });
  }

  return {
    info(c: Context): Response {
      const own = accounts(c, READ_ACCOUNTS);
      if (own instanceof Response) return own;
      const query = readQuery(c, infoQuery);
      if ('wrong' in query) return refuse(40002, query.wrong);
      const { advertiser_ids, fields = INFO_FIELDS } = query.value;
      const asked = advertiser_ids.map((wanted) => own.find(({ id }) => id === wanted));
      const list: unknown[] = [];
      for (const account of asked) {
        if (!account) return refuse(40106);
        const { id, ...rest } = account;
        list.push(pick({ advertiser_id: id, ...rest, status: 'STATUS_ENABLE' }, fields));
      }
      return ok({ list });
    },

    campaigns(c: Context): Response {
      const own = accounts(c, [2, 20, 200]);
      if (own instanceof Response) return own;
      const query = readQuery(c, campaignQuery);
      if ('wrong' in query) return refuse(40002, query.wrong);
      const { advertiser_id, fields = CAMPAIGN_FIELDS, filtering } = query.value;
      if (!own.some(({ id }) => id === advertiser_id)) return refuse(40106);
      const list = campaignsOf(advertiser_id)
        .filter(({ campaign_id }) => filtering?.campaign_ids.includes(campaign_id) ?? true)
        .map((campaign) => pick(campaign, fields));
      return paged(list, query.value);
    },

    report(c: Context): Response {
      const own = accounts(c, [4, 44]);
      if (own instanceof Response) return own;
      const query = readQuery(c, reportQuery);
      if ('wrong' in query) return refuse(40002, query.wrong);
      const {
        advertiser_id,
        dimensions,
        metrics = ['spend', 'impressions'],
        start_date,
        end_date,
      } = query.value;
      const advertiser = own.find(({ id }) => id === advertiser_id);
      if (!advertiser) return refuse(40106);
      if (!dimensions.includes('campaign_id')) return refuse(40002, 'dimensions: campaign_id is missing.');
      const [start, end] = [Date.parse(start_date), Date.parse(end_date)];
      if (start > end) return refuse(40002, 'start_date: is after end_date.');
      const limit = dimensions.includes('stat_time_day') ? 30 : 365;
      if ((end - start) / DAY + 1 > limit) {
        return refuse(40002, `end_date: the time range must not be longer than ${limit} days.`);
      }
      const rows = reportRows(advertiser, { dimensions, metrics, start, end: Math.min(end, context.now()) });
      return paged(rows, query.value);
    },
  };
}

function pick(source: object, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(source).filter(([field]) => fields.includes(field)));
}
