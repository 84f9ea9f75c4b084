/** What a property measured: a few visits of each day, the same for every property but for their size. */
export interface Fact {
  dimensions: Record<string, string>;
  counts: Record<Count, number>;
}

const COUNTS = [
  'sessions',
  'engagedSessions',
  'keyEventSessions',
  'totalUsers',
  'activeUsers',
  'newUsers',
  'screenPageViews',
  'eventCount',
  'keyEvents',
  'totalRevenue',
] as const;
export type Count = (typeof COUNTS)[number];

const SEGMENTS = [
  {
    dimensions: {
      sessionDefaultChannelGroup: 'Organic Search',
      sessionSourceMedium: 'google / organic',
      sessionSource: 'google',
      sessionMedium: 'organic',
      pagePath: '/',
      pageTitle: 'Home',
      landingPage: '/',
      eventName: 'page_view',
      country: 'Germany',
      deviceCategory: 'desktop',
    },
    scale: 40,
    keyEvents: 0,
  },
  {
    dimensions: {
      sessionDefaultChannelGroup: 'Direct',
      sessionSourceMedium: '(direct) / (none)',
      sessionSource: '(direct)',
      sessionMedium: '(none)',
      pagePath: '/products',
      pageTitle: 'Products',
      landingPage: '/products',
      eventName: 'purchase',
      country: 'Austria',
      deviceCategory: 'mobile',
    },
    scale: 12,
    keyEvents: 3,
  },
  {
    dimensions: {
      sessionDefaultChannelGroup: 'Email',
      sessionSourceMedium: 'newsletter / email',
      sessionSource: 'newsletter',
      sessionMedium: 'email',
      pagePath: '/pricing',
      pageTitle: 'Pricing',
      landingPage: '/pricing',
      eventName: 'sign_up',
      country: 'Germany',
      deviceCategory: 'mobile',
    },
    scale: 5,
    keyEvents: 1,
  },
];

/** The facts of one day, given as YYYY-MM-DD. */
export function factsOf(property: string, date: string): Fact[] {
  const [year = '', month = '', day = ''] = date.split('-');
  const size = (1 + (Number(property) % 3)) * (1 + (Number(day) % 3));
  return SEGMENTS.map(({ dimensions, scale, keyEvents }) => {
    const sessions = scale * size;
    return {
      dimensions: { ...dimensions, date: year + month + day, year, month, day },
      counts: {
        sessions,
        engagedSessions: Math.floor(sessions * 0.6),
        keyEventSessions: keyEvents === 0 ? 0 : size,
        totalUsers: Math.ceil(sessions * 0.9),
        activeUsers: Math.ceil(sessions * 0.8),
        newUsers: Math.floor(sessions * 0.5),
        screenPageViews: sessions * 3,
        eventCount: sessions * 8,
        keyEvents: keyEvents * size,
        totalRevenue: keyEvents * size * 19.5,
      },
    };
  });
}

export function addCounts(a: Record<Count, number>, b: Record<Count, number>): Record<Count, number> {
  return Object.fromEntries(COUNTS.map((name) => [name, a[name] + b[name]])) as Record<Count, number>;
}
