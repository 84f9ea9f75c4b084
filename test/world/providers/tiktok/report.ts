import { type Advertiser, type Campaign, campaignsOf } from './advertisers.ts';

export const DIMENSIONS = ['campaign_id', 'stat_time_day'] as const;
export const METRICS = [
  'campaign_name',
  'currency',
  'spend',
  'impressions',
  'clicks',
  'ctr',
  'cpc',
  'cpm',
  'conversion',
  'complete_payment',
  'total_complete_payment_rate',
  'complete_payment_roas',
] as const;

type Dimension = (typeof DIMENSIONS)[number];
type Metric = (typeof METRICS)[number];

interface Question {
  dimensions: readonly Dimension[];
  metrics: readonly Metric[];
  /** Midnights, milliseconds since 1970; both days are in it. */
  start: number;
  end: number;
}

const DAY = 86_400_000;

/** One row for each campaign that ran, and for each day of it if asked: the same numbers for the same day. */
export function reportRows(advertiser: Advertiser, { dimensions, metrics, start, end }: Question) {
  const days: number[] = [];
  for (let day = start; day <= end; day += DAY) days.push(day);
  const periods = dimensions.includes('stat_time_day') ? days.map((day) => [day]) : [days];

  return campaignsOf(advertiser.id)
    .filter((campaign) => campaign.operation_status === 'ENABLE')
    .flatMap((campaign, index) =>
      periods
        .filter((period) => period.length > 0)
        .map((period) => ({
          dimensions: Object.fromEntries(
            dimensions.map((name) => [
              name,
              name === 'campaign_id' ? campaign.campaign_id : stamp(period[0] ?? start),
            ]),
          ),
          metrics: measure(advertiser, campaign, index, period, metrics),
        })),
    );
}

/** Numbers are strings, and what there is nothing to say of is "-". */
function measure(
  advertiser: Advertiser,
  campaign: Campaign,
  index: number,
  period: number[],
  metrics: readonly Metric[],
): Record<string, string> {
  const sum = (of: (weekday: number) => number) =>
    period.reduce((total, day) => total + of(new Date(day).getUTCDay()), 0);
  const spend = sum((weekday) => 10 + index + weekday * 0.4);
  const impressions = sum((weekday) => 1000 + 100 * weekday);
  const clicks = sum((weekday) => 20 + weekday);
  // Only the campaigns for conversions have a pixel that tells of payments.
  const payments = campaign.objective_type === 'WEB_CONVERSIONS' ? sum(() => 2) : undefined;
  const value = payments === undefined ? undefined : payments * 15;
  const all: Record<Metric, string> = {
    campaign_name: campaign.campaign_name,
    currency: advertiser.currency,
    spend: spend.toFixed(2),
    impressions: String(impressions),
    clicks: String(clicks),
    ctr: ((clicks / impressions) * 100).toFixed(2),
    cpc: (spend / clicks).toFixed(2),
    cpm: ((spend / impressions) * 1000).toFixed(2),
    conversion: String(payments ?? 0),
    complete_payment: payments === undefined ? '-' : String(payments),
    total_complete_payment_rate: value === undefined ? '-' : value.toFixed(2),
    complete_payment_roas: value === undefined ? '-' : (value / spend).toFixed(2),
  };
  return Object.fromEntries(metrics.map((name) => [name, all[name]]));
}

function stamp(day: number): string {
  return `${new Date(day).toISOString().slice(0, 10)} 00:00:00`;
}
