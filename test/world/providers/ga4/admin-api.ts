import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { apiError, checkQuery, pageNotFound } from '../google-ads/google.ts';
import { checkPropertyId, door, type Env } from './door.ts';
import { findProperty, type Property } from './properties.ts';
import { ADMIN_SCOPES } from './scopes.ts';

const CREATED = '2024-02-01T09:00:00.000Z';

const paging = z.object({
  pageSize: z.coerce.number().int().min(1).default(50),
  pageToken: z.string().regex(/^\d+$/).transform(Number).default(0),
});

/** analyticsadmin.googleapis.com, v1beta, as far as one may only look (config/admin/v1/rest). */
export function adminApi(context: SimulatorContext) {
  const { store } = context;
  const api = new Hono<Env>();

  api.use(
    '/v1beta/*',
    door(context, {
      name: 'analyticsadmin.googleapis.com',
      title: 'Google Analytics Admin API',
      scopes: ADMIN_SCOPES,
      isEnabled: (account) => account.hasAdminApi,
    }),
  );

  api.get('/v1beta/accountSummaries', (c) => {
    const properties = c.var.account.properties.flatMap((id) => findProperty(store, id) ?? []);
    const byAccount = Map.groupBy(properties, ({ account }) => account.id);
    const summaries = [...byAccount].map(([id, own]) => ({
      name: `accountSummaries/${id}`,
      account: `accounts/${id}`,
      displayName: own[0]?.account.displayName,
      propertySummaries: own.map((property) => ({
        property: `properties/${property.id}`,
        displayName: property.displayName,
        propertyType: 'PROPERTY_TYPE_ORDINARY',
        parent: `accounts/${id}`,
      })),
    }));
    return paged(c, 'accountSummaries', summaries);
  });

  api.get('/v1beta/properties/:id', (c) => {
    const property = open(c, c.req.param('id'));
    return property instanceof Response
      ? property
      : (checkQuery(c.req.raw) ?? c.json(propertyObject(property)));
  });

  api.get('/v1beta/properties/:id/keyEvents', (c) => {
    const property = open(c, c.req.param('id'));
    if (property instanceof Response) return property;
    const events = ['purchase', 'sign_up'].map((eventName, index) => ({
      name: `properties/${property.id}/keyEvents/${index + 1}`,
      eventName,
      createTime: CREATED,
      ...(index > 0 && { deletable: true, custom: true }),
      countingMethod: 'ONCE_PER_EVENT',
    }));
    return paged(c, 'keyEvents', events);
  });

  api.get('/v1beta/properties/:id/dataStreams', (c) => {
    const property = open(c, c.req.param('id'));
    if (property instanceof Response) return property;
    const stream = {
      name: `properties/${property.id}/dataStreams/1`,
      type: 'WEB_DATA_STREAM',
      displayName: property.displayName,
      createTime: CREATED,
      updateTime: CREATED,
      webStreamData: {
        measurementId: `G-${property.id}A`,
        defaultUri: `https://${property.id}.example`,
      },
    };
    return paged(c, 'dataStreams', [stream]);
  });

  api.notFound((c) => pageNotFound(c.req.raw));
  return api;

  function open(c: Context<Env>, id: string): Property | Response {
    const refused = checkPropertyId(id);
    if (refused) return refused;
    const property = findProperty(store, id);
    return property && c.var.account.properties.includes(id)
      ? property
      : apiError(403, 'The caller does not have permission');
  }
}

/** A page of a list; an empty list is left out of the answer. */
function paged(c: Context, name: string, items: object[]): Response {
  const refused = checkQuery(c.req.raw, ['pageSize', 'pageToken']);
  if (refused) return refused;
  const query = paging.safeParse(c.req.query());
  if (!query.success) return apiError(400, 'Request contains an invalid argument.');
  const { pageSize, pageToken: start } = query.data;
  // More than 200 are cut down to 200.
  const end = start + Math.min(pageSize, 200);
  const page = items.slice(start, end);
  return c.json({
    ...(page.length > 0 && { [name]: page }),
    ...(end < items.length && { nextPageToken: String(end) }),
  });
}

function propertyObject({ id, displayName, account, timeZone, currencyCode }: Property) {
  return {
    name: `properties/${id}`,
    parent: `accounts/${account.id}`,
    account: `accounts/${account.id}`,
    createTime: CREATED,
    updateTime: CREATED,
    displayName,
    industryCategory: 'SHOPPING',
    timeZone,
    currencyCode,
    serviceLevel: 'GOOGLE_ANALYTICS_STANDARD',
    propertyType: 'PROPERTY_TYPE_ORDINARY',
  };
}
