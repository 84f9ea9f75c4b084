import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { GraphError, invalidParameter, unknownObject } from './errors.ts';
import { adAccountsOf, campaignsOf, type Person, reportOf } from './fixtures.ts';
import { cut, fields, paged, readQuery, select } from './nodes.ts';
import { type Book, grantedTo, type TokenRecord } from './records.ts';

const ACCOUNT = {
  type: 'AdAccount',
  known: ['id', 'account_id', 'name', 'account_status', 'currency', 'timezone_name', 'amount_spent'],
  defaults: ['id', 'account_id'],
};
const CAMPAIGN = {
  type: 'Campaign',
  known: [
    ...['id', 'account_id', 'name', 'objective', 'status', 'effective_status'],
    ...['daily_budget', 'lifetime_budget', 'start_time', 'stop_time'],
  ],
  defaults: ['id'],
};
const INSIGHTS = [
  ...[
    'account_id',
    'account_name',
    'campaign_id',
    'campaign_name',
    'spend',
    'impressions',
    'clicks',
    'reach',
  ],
  ...['ctr', 'cpc', 'cpm', 'actions', 'action_values', 'purchase_roas', 'website_purchase_roas'],
  ...['date_start', 'date_stop'],
];
const STATUSES = ['ACTIVE', 'PAUSED', 'DELETED', 'ARCHIVED', 'IN_PROCESS', 'WITH_ISSUES'];
const DAY = 86_400_000;

const json = z.string().transform((text, c): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    c.addIssue({ code: 'custom', message: 'no JSON' });
    return z.NEVER;
  }
});
const listQuery = z.strictObject({ fields, ...cut });
const campaignQuery = z.strictObject({
  fields,
  ...cut,
  effective_status: json.pipe(z.array(z.enum(STATUSES))).optional(),
});
const insightsQuery = z.strictObject({
  fields,
  ...cut,
  level: z.enum(['account', 'campaign']).optional(),
  date_preset: z
    .string()
    .regex(/^(yesterday|last_(3|7|14|28|30|90)d)$/)
    .optional(),
  time_range: json.pipe(z.strictObject({ since: z.iso.date(), until: z.iso.date() })).optional(),
});

/**
 * A little of the Marketing API: ad accounts, their campaigns, and reports by account or campaign over a
 * whole range of days, whose numbers are the same for any range.
 */
export function adRoutes<E extends { Variables: object }>(
  api: Hono<E>,
  { store, now }: SimulatorContext,
  book: Book,
  caller: (c: Context) => { record: TokenRecord; person: Person },
) {
  /** Without the permission nothing; what comes when access to data has expired is not documented. */
  function mayRead(record: TokenRecord, message: string) {
    const granted = now() < book.dataAccessEnds(record.app, record.person) ? grantedTo(store, record) : [];
    if (!granted.includes('ads_read') && !granted.includes('ads_management')) {
      throw new GraphError({ code: 200, status: 403, message: `(#200) ${message}` });
    }
  }

  function account(c: Context) {
    const { record, person } = caller(c);
    const id = c.req.param('account') ?? '';
    const found = adAccountsOf(person).find((each) => each.id === id);
    if (!found) throw unknownObject(id);
    mayRead(record, 'Ad account owner has NOT grant ads_management or ads_read permission');
    return { record, account: found };
  }

  api.get('/:version/me/adaccounts', (c) => {
    const { record, person } = caller(c);
    const query = readQuery(c, listQuery);
    mayRead(record, 'Requires ads_management or ads_read permission to manage the object');
    const nodes = adAccountsOf(person).map((each) => select(each, query.fields, ACCOUNT));
    return c.json(paged(c, nodes, query, record.token));
  });

  api.get('/:version/:account{act_[0-9]+}', (c) => {
    const query = readQuery(c, z.strictObject({ fields }));
    return c.json(select(account(c).account, query.fields, ACCOUNT));
  });

  api.get('/:version/:account{act_[0-9]+}/campaigns', (c) => {
    const { record, account: of } = account(c);
    const query = readQuery(c, campaignQuery);
    const nodes = campaignsOf(of.account_id)
      .filter((each) => query.effective_status?.includes(each.effective_status) ?? true)
      .map((each) => select(each, query.fields, CAMPAIGN));
    return c.json(paged(c, nodes, query, record.token));
  });

  api.get('/:version/:account{act_[0-9]+}/insights', (c) => {
    const { record, account: of } = account(c);
    const query = readQuery(c, insightsQuery);
    if (query.date_preset !== undefined && query.time_range !== undefined)
      throw invalidParameter('time_range');
    const names = query.fields?.split(',') ?? ['impressions', 'spend'];
    const strange = names.find((name) => !INSIGHTS.includes(name));
    if (strange !== undefined) {
      const message = `(#100) ${strange} is not valid for fields param.`;
      throw new GraphError({ code: 100, message });
    }
    const range = query.time_range ?? days(query.date_preset ?? 'last_30d', now());
    const common = {
      account_id: of.account_id,
      account_name: of.name,
      date_start: range.since,
      date_stop: range.until,
    };
    const campaigns = campaignsOf(of.account_id);
    const rows: Array<Record<string, unknown>> =
      query.level === 'campaign'
        ? campaigns.map(({ id, name }) => ({
            ...reportOf(id),
            ...common,
            campaign_id: id,
            campaign_name: name,
          }))
        : campaigns.length === 0
          ? []
          : [{ ...sums(campaigns.map(({ id }) => reportOf(id))), ...common }];
    const chosen = rows.map((row) =>
      Object.fromEntries(
        [...new Set([...names, 'date_start', 'date_stop'])]
          .filter((name) => row[name] !== undefined)
          .map((name) => [name, row[name]]),
      ),
    );
    return c.json(paged(c, chosen, query, record.token));
  });
}

/** Whole days up to yesterday; here in UTC instead of the account's time zone. */
function days(preset: string, now: number): { since: string; until: string } {
  const count = Number(/\d+/.exec(preset)?.[0] ?? 1);
  const day = (ago: number) => new Date(now - ago * DAY).toISOString().slice(0, 10);
  return { since: day(count), until: day(1) };
}

function sums(reports: Array<Record<string, unknown>>): Record<string, string> {
  const sum = (name: string) => reports.reduce((total, row) => total + Number(row[name] ?? 0), 0);
  return {
    spend: sum('spend').toFixed(2),
    ...Object.fromEntries(['impressions', 'clicks', 'reach'].map((name) => [name, String(sum(name))])),
  };
}
