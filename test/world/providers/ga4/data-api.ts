import { type Context, Hono } from 'hono';
import type { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { apiError, checkQuery, pageNotFound, readJson } from '../google-ads/google.ts';
import { checkPropertyId, door, type Env } from './door.ts';
import { findProperty, type Property } from './properties.ts';
import { quotaOf } from './quota.ts';
import { ReportProblem, runRealtimeReport, runReport } from './report.ts';
import { batchRequest, type ReportRequest, realtimeRequest, reportRequest } from './requests.ts';
import { metadata } from './schema.ts';
import { DATA_SCOPES } from './scopes.ts';

/** analyticsdata.googleapis.com, v1beta (data/v1/rest). */
export function dataApi(context: SimulatorContext) {
  const { store, now } = context;
  const api = new Hono<Env>();
  const quota = quotaOf(context);

  api.use(
    '/v1beta/*',
    door(context, {
      name: 'analyticsdata.googleapis.com',
      title: 'Google Analytics Data API',
      scopes: DATA_SCOPES,
      isEnabled: (account) => account.hasDataApi,
    }),
  );

  api.get('/v1beta/properties/:id/metadata', (c) => {
    // properties/0 has what all properties have in common; it needs no access.
    if (c.req.param('id') === '0') return c.json(metadata('0'));
    const property = open(c, c.req.param('id'));
    return property instanceof Response ? property : c.json(metadata(property.id));
  });

  api.post('/v1beta/properties/:method', async (c) => {
    const [, id = '', method = ''] = /^(.*):(\w+)$/.exec(c.req.param('method')) ?? [];
    if (method === 'runReport') {
      return answer(c, id, reportRequest, (request, property) => ({
        ...reportOf(request, property),
        ...(request.returnPropertyQuota && { propertyQuota: quota.status(property.id) }),
      }));
    }
    if (method === 'batchRunReports') {
      return answer(c, id, batchRequest, ({ requests }, property) => ({
        reports: requests.map((request) => reportOf(request, property)),
        kind: 'analyticsData#batchRunReports',
      }));
    }
    if (method === 'runRealtimeReport') {
      return answer(c, id, realtimeRequest, (request, property) => ({
        ...runRealtimeReport(request, property, now()),
        ...(request.returnPropertyQuota && { propertyQuota: quota.status(property.id) }),
      }));
    }
    return pageNotFound(c.req.raw);
  });

  api.notFound((c) => pageNotFound(c.req.raw));
  return api;

  function reportOf(request: ReportRequest, property: Property) {
    if (request.property !== undefined && request.property !== `properties/${property.id}`) {
      throw new ReportProblem('The property of the body differs from that of the path.');
    }
    return runReport(request, property, now());
  }

  async function answer<T>(
    c: Context<Env>,
    id: string,
    schema: z.ZodType<T>,
    make: (request: T, property: Property) => object,
  ): Promise<Response> {
    const request = await readJson(c.req.raw, schema);
    if (request instanceof Response) return request;
    const property = open(c, id);
    if (property instanceof Response) return property;
    try {
      return c.json(make(request, property));
    } catch (error) {
      if (error instanceof ReportProblem) return apiError(400, error.message);
      throw error;
    }
  }

  /** The property of the path; one that does not exist is told apart from a closed one by nobody. */
  function open(c: Context<Env>, id: string): Property | Response {
    const refused = checkQuery(c.req.raw) ?? checkPropertyId(id);
    if (refused) return refused;
    const property = findProperty(store, id);
    if (!property || !c.var.account.properties.includes(id)) {
      const page = 'https://developers.google.com/analytics/devguides/reporting/data/v1/property-id';
      const message =
        'User does not have sufficient permissions for this property. To learn more about Property ID, see ' +
        `${page}.`;
      return apiError(403, message);
    }
    return quota.charge(id) ?? property;
  }
}
