import { type Figure, figure } from '../figures.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The strictest limit that a provider documents for what is asked of it, and where. */
interface Budget {
  requests: number;
  per: number;
  source: string;
}

const budgets: Record<string, Budget> = {
  // GraphQL, an app and a shop, on the Standard plan: 100 points a second, of which a mutation takes 10.
  shopify: { requests: 10, per: SECOND, source: 'shopify.dev/docs/api/usage/rate-limits' },
  // A sandbox; 100 live.
  stripe: { requests: 25, per: SECOND, source: 'stripe.com/docs/rate-limits' },
  // For each daily user of the app; here there is one.
  meta: { requests: 200, per: HOUR, source: 'developers.facebook.com/docs/graph-api/overview/rate-limiting' },
  // Operations of a developer token with Explorer access.
  google_ads: {
    requests: 2_880,
    per: DAY,
    source: 'developers.google.com/google-ads/api/docs/access-levels',
  },
  // An app of the Basic level: 10 a second.
  tiktok: { requests: 600, per: MINUTE, source: 'business-api.tiktok.com/portal/docs' },
  // The smallest class of endpoints.
  klaviyo: {
    requests: 15,
    per: MINUTE,
    source: 'developers.klaviyo.com/en/docs/rate_limits_and_error_handling',
  },
  posthog: { requests: 240, per: MINUTE, source: 'PostHog/posthog posthog/rate_limit.py' },
  // 14,000 tokens of a property for each project, at most ten a request.
  ga4: {
    requests: 1_400,
    per: HOUR,
    source: 'developers.google.com/analytics/devguides/reporting/data/v1/quotas',
  },
  gorgias: { requests: 40, per: 20 * SECOND, source: 'developers.gorgias.com/reference/limitations' },
  // An account on the Team plan.
  zendesk: {
    requests: 200,
    per: MINUTE,
    source: 'developer.zendesk.com/api-reference/introduction/rate-limits',
  },
  // A method of tier 2; oauth.v2.access is of tier 4.
  slack: { requests: 20, per: MINUTE, source: 'docs.slack.dev/apis/web-api/rate-limits' },
  github: {
    requests: 5_000,
    per: HOUR,
    source: 'docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api',
  },
  // Vercel says no number for these endpoints: this is ours.
  vercel: { requests: 60, per: MINUTE, source: 'our own' },
  // A workspace on the Free plan.
  railway: {
    requests: 100,
    per: HOUR,
    source: 'railwayapp/docs content/docs/integrations/api.md',
  },
  // Tier 3, of a View or Collab seat.
  figma: { requests: 10, per: MINUTE, source: 'developers.figma.com/docs/rest-api/rate-limits' },
};

const UNITS = new Map([
  [SECOND, 'second'],
  [20 * SECOND, '20 seconds'],
  [MINUTE, 'minute'],
  [HOUR, 'hour'],
  [DAY, 'day'],
]);

/** A figure for each provider; `calls` are the times of the requests to it, in order. */
export function budgetFigures(calls: ReadonlyMap<string, readonly number[]>): Figure[] {
  return Object.entries(budgets).map(([provider, { requests, per, source }]) => {
    const times = calls.get(provider) ?? [];
    const most = busiest(times, per);
    const unit = UNITS.get(per);
    return figure(
      `requests to ${provider}`,
      `at most ${requests} in one ${unit} (${source})`,
      `${most} in the busiest ${unit}, ${busiest(times, HOUR)} in the busiest hour, ${busiest(times, DAY)} in the busiest day`,
      times.length > 0 && most <= requests,
    );
  });
}

/** The most that fell into any window of that length. */
function busiest(times: readonly number[], length: number): number {
  let most = 0;
  let from = 0;
  times.forEach((time, at) => {
    while ((times[from] ?? time) <= time - length) from += 1;
    most = Math.max(most, at - from + 1);
  });
  return most;
}
