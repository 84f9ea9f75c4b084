import type { Count } from './facts.ts';

interface Metric {
  uiName: string;
  category: string;
  type: 'TYPE_INTEGER' | 'TYPE_FLOAT' | 'TYPE_CURRENCY';
  /** A count, or one divided by another. */
  of: Count | readonly [Count, Count];
  isRealtime?: boolean;
}

/** Of the API's metrics and dimensions (data/v1/api-schema) those that the simulator has numbers for. */
export const METRICS = new Map<string, Metric>([
  ['sessions', { uiName: 'Sessions', category: 'Session', type: 'TYPE_INTEGER', of: 'sessions' }],
  [
    'engagedSessions',
    { uiName: 'Engaged sessions', category: 'Session', type: 'TYPE_INTEGER', of: 'engagedSessions' },
  ],
  [
    'engagementRate',
    {
      uiName: 'Engagement rate',
      category: 'Session',
      type: 'TYPE_FLOAT',
      of: ['engagedSessions', 'sessions'],
    },
  ],
  ['totalUsers', { uiName: 'Total users', category: 'User', type: 'TYPE_INTEGER', of: 'totalUsers' }],
  [
    'activeUsers',
    {
      uiName: 'Active users',
      category: 'User',
      type: 'TYPE_INTEGER',
      of: 'activeUsers',
      isRealtime: true,
    },
  ],
  ['newUsers', { uiName: 'New users', category: 'User', type: 'TYPE_INTEGER', of: 'newUsers' }],
  [
    'screenPageViews',
    {
      uiName: 'Views',
      category: 'Page / Screen',
      type: 'TYPE_INTEGER',
      of: 'screenPageViews',
      isRealtime: true,
    },
  ],
  [
    'eventCount',
    { uiName: 'Event count', category: 'Event', type: 'TYPE_INTEGER', of: 'eventCount', isRealtime: true },
  ],
  [
    'keyEvents',
    { uiName: 'Key events', category: 'Event', type: 'TYPE_FLOAT', of: 'keyEvents', isRealtime: true },
  ],
  [
    'sessionKeyEventRate',
    {
      uiName: 'Session key event rate',
      category: 'Session',
      type: 'TYPE_FLOAT',
      of: ['keyEventSessions', 'sessions'],
    },
  ],
  [
    'totalRevenue',
    { uiName: 'Total revenue', category: 'Revenue', type: 'TYPE_CURRENCY', of: 'totalRevenue' },
  ],
]);

export const DIMENSIONS = new Map<string, { uiName: string; category: string; isRealtime?: boolean }>([
  ['date', { uiName: 'Date', category: 'Time' }],
  ['year', { uiName: 'Year', category: 'Time' }],
  ['month', { uiName: 'Month', category: 'Time' }],
  ['day', { uiName: 'Day', category: 'Time' }],
  [
    'sessionDefaultChannelGroup',
    { uiName: 'Session primary channel group (Default Channel Group)', category: 'Traffic source' },
  ],
  ['sessionSourceMedium', { uiName: 'Session source / medium', category: 'Traffic source' }],
  ['sessionSource', { uiName: 'Session source', category: 'Traffic source' }],
  ['sessionMedium', { uiName: 'Session medium', category: 'Traffic source' }],
  ['pagePath', { uiName: 'Page path and screen class', category: 'Page / Screen' }],
  ['pageTitle', { uiName: 'Page title', category: 'Page / Screen' }],
  ['landingPage', { uiName: 'Landing page', category: 'Page / Screen' }],
  ['eventName', { uiName: 'Event name', category: 'Event', isRealtime: true }],
  ['country', { uiName: 'Country', category: 'Geography', isRealtime: true }],
  ['deviceCategory', { uiName: 'Device category', category: 'Platform / Device', isRealtime: true }],
]);

/** GET /v1beta/properties/…/metadata. */
export function metadata(property: string) {
  const shown = ({ uiName, category }: { uiName: string; category: string }) => ({
    uiName,
    description: uiName,
    category,
  });
  return {
    name: `properties/${property}/metadata`,
    dimensions: [...DIMENSIONS].map(([apiName, dimension]) => ({ apiName, ...shown(dimension) })),
    metrics: [...METRICS].map(([apiName, metric]) => ({
      apiName,
      ...shown(metric),
      type: metric.type,
      ...(apiName === 'keyEvents' && { deprecatedApiNames: ['conversions'] }),
    })),
  };
}
