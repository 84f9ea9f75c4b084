import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { type AdsError, adsError, queryError } from './failure.ts';
import { parseQuery, QueryProblem } from './gaql.ts';
import {
  apiError,
  bearerToken,
  checkQuery,
  errorInfo,
  insufficientScope,
  missingCredential,
  pageNotFound,
  randomLetters,
  readJson,
} from './google.ts';
import { type Grants, isAlive } from './grants.ts';
import { CUSTOMERS, type Customer, hierarchy, type Person, person } from './people.ts';
import { runQuery } from './report.ts';
import { ADWORDS } from './scopes.ts';

const SERVICE = 'googleads.googleapis.com';
/** docs/sunset-dates; v22 ended on 2026-10-07. */
const VERSIONS = ['v23', 'v24', 'v25', 'v26'];
const PAGE_SIZE = 10_000;

const streamBody = z.strictObject({ query: z.string().optional() });
const searchBody = z.strictObject({
  query: z.string().optional(),
  pageToken: z.string().optional(),
  pageSize: z.unknown().optional(),
  validateOnly: z.boolean().optional(),
  searchSettings: z.strictObject({ returnTotalResultsCount: z.boolean().optional() }).optional(),
});

/** The Ads API (docs/rest/auth, docs/rest/common/search): who may call, and two ways to query. */
export function adsApi({ store, client, now }: SimulatorContext, grants: Grants) {
  const api = new Hono();

  api.use('/:version/*', async (c, next) => {
    const version = c.req.param('version');
    const retired = store.get<string[]>('settings.retiredVersions') ?? [];
    if (!VERSIONS.includes(version) || retired.includes(version)) return pageNotFound(c.req.raw);
    const refused = checkQuery(c.req.raw);
    if (refused) return refused;
    await next();
    c.header('request-id', randomLetters(22));
    return undefined;
  });

  api.get('/:version/:method', (c) => {
    if (c.req.param('method') !== 'customers:listAccessibleCustomers') return pageNotFound(c.req.raw);
    // The login-customer-id is ignored (account-management/listing-accounts).
    const caller = checkCaller(c.req.raw, c.req.param('version'));
    if (caller instanceof Response) return caller;
    return c.json({ resourceNames: caller.customers.map((id) => `customers/${id}`) });
  });

  api.post('/:version/customers/:id/:method', async (c) => {
    const method = c.req.param('method');
    if (method === 'googleAds:search') return search(c);
    if (method !== 'googleAds:searchStream') return pageNotFound(c.req.raw);
    const response = await searchStream(c);
    // The stream is a list, and so is its error.
    return response.ok ? response : Response.json([await response.json()], response);
  });

  api.notFound((c) => pageNotFound(c.req.raw));
  return api;

  async function search(c: Context): Promise<Response> {
    const { version = '' } = c.req.param();
    const customer = openCustomer(c);
    if (customer instanceof Response) return customer;
    const body = await readJson(c.req.raw, searchBody);
    if (body instanceof Response) return body;
    if (body.pageSize !== undefined) return adsError(version, 'PAGE_SIZE_NOT_SUPPORTED');
    const report = answer(version, body.query, customer);
    if (report instanceof Response) return report;
    if (body.validateOnly) return c.json({});

    const start =
      body.pageToken === undefined ? 0 : Number(/^page:(\d+)$/.exec(fromBase64(body.pageToken))?.[1]);
    if (Number.isNaN(start)) return adsError(version, 'INVALID_PAGE_TOKEN');
    const end = start + (store.get<number>('settings.pageSize') ?? PAGE_SIZE);
    const { results, fieldMask } = report;
    const page = results.slice(start, end);
    return c.json({
      ...(page.length > 0 && { results: page }),
      ...(end < results.length && { nextPageToken: btoa(`page:${end}`) }),
      ...(body.searchSettings?.returnTotalResultsCount && { totalResultsCount: String(results.length) }),
      fieldMask,
      queryResourceConsumption: '300',
    });
  }

  async function searchStream(c: Context): Promise<Response> {
    const customer = openCustomer(c);
    if (customer instanceof Response) return customer;
    const body = await readJson(c.req.raw, streamBody);
    if (body instanceof Response) return body;
    const report = answer(c.req.param('version') ?? '', body.query, customer);
    if (report instanceof Response) return report;
    const size = store.get<number>('settings.pageSize') ?? PAGE_SIZE;
    const chunks = Array.from(
      { length: Math.max(1, Math.ceil(report.results.length / size)) },
      (_, index) => {
        const results = report.results.slice(index * size, (index + 1) * size);
        return {
          ...(results.length > 0 && { results }),
          fieldMask: report.fieldMask,
          requestId: randomLetters(22),
          queryResourceConsumption: '300',
        };
      },
    );
    return c.json(chunks);
  }

  function answer(version: string, text: string | undefined, customer: Customer) {
    if (!text) return adsError(version, 'REQUIRED_FIELD_MISSING');
    try {
      return runQuery(parseQuery(text), customer, now());
    } catch (error) {
      if (error instanceof QueryProblem) return queryError(version, error.code, error.message);
      throw error;
    }
  }

  /** The person behind the token and the application behind the developer token. */
  function checkCaller(request: Request, version: string): Person | Response {
    const token = bearerToken(request);
    if (token === undefined) return missingCredential(SERVICE);
    const record = grants.access(token);
    if (!record) return adsError(version, 'OAUTH_TOKEN_INVALID');
    if (record.revoked) return adsError(version, 'OAUTH_TOKEN_REVOKED');
    if (!isAlive(record, now())) return adsError(version, 'OAUTH_TOKEN_EXPIRED');
    if (store.get<boolean>('settings.serviceDisabled')) return serviceDisabled();
    if (!record.scopes.includes(ADWORDS)) return insufficientScope(SERVICE);
    const refusal = store.get<AdsError>('settings.refusal');
    if (refusal !== undefined) return adsError(version, refusal);

    const wrong = checkDeveloperToken(request.headers.get('developer-token'));
    if (wrong !== undefined) return adsError(version, wrong);
    const seconds = store.get<number>('settings.retryDelay');
    if (seconds !== undefined) {
      const rateName = 'Number of operations for basic access';
      const quotaErrorDetails = { rateScope: 'DEVELOPER', rateName, retryDelay: `${seconds}s` };
      return adsError(version, 'RESOURCE_EXHAUSTED', { quotaErrorDetails });
    }
    const who = person(record.email);
    return who && who.customers.length > 0 ? who : adsError(version, 'NOT_ADS_USER');
  }

  /** The API was switched off in the project of the OAuth client (google.api.ErrorReason). */
  function serviceDisabled(): Response {
    const message = 'Google Ads API has not been used in project 123456789012 before or it is disabled.';
    const consumer = { consumer: 'projects/123456789012' };
    return apiError(403, message, [errorInfo('SERVICE_DISABLED', SERVICE, consumer)]);
  }

  /**
   * Developer tokens ended on 2026-09-09 and are ignored since (api-policy/developer-token); an application
   * made before sends one all the same, and here it must be the right one unless the setting says otherwise.
   */
  function checkDeveloperToken(given: string | null): AdsError | undefined {
    const mode = store.get<string>('settings.developerToken');
    if (mode === 'ignored') return undefined;
    if (given === null) return 'DEVELOPER_TOKEN_PARAMETER_MISSING';
    if (given !== client.settings.DEVELOPER_TOKEN) return 'DEVELOPER_TOKEN_INVALID';
    return mode === 'prohibited' ? 'DEVELOPER_TOKEN_PROHIBITED' : undefined;
  }

  /** The customer of the path, if this person may open it the way they came (docs/oauth/access-model). */
  function openCustomer(c: Context): Customer | Response {
    const { version = '', id = '' } = c.req.param();
    const caller = checkCaller(c.req.raw, version);
    if (caller instanceof Response) return caller;
    const refuse = (error: AdsError) => adsError(version, error);
    if (!/^\d{10}$/.test(id)) return refuse('INVALID_CUSTOMER_ID');
    const login = c.req.header('login-customer-id') ?? id;
    if (!/^\d{10}$/.test(login)) return refuse('INVALID_LOGIN_CUSTOMER_ID');
    const customer = CUSTOMERS.get(id);
    if (!customer) return refuse('CUSTOMER_NOT_FOUND');
    if (!caller.customers.includes(login)) return refuse('USER_PERMISSION_DENIED');
    if (!hierarchy(login).some((each) => each.customer.id === id)) {
      return refuse('INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION');
    }
    if (!customer.isTest && store.get<string>('settings.developerToken') === 'not_approved') {
      return refuse('DEVELOPER_TOKEN_NOT_APPROVED');
    }
    if (!customer.isTest && store.get<string>('settings.projectAccess') === 'test') {
      return refuse('CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION');
    }
    return customer.status === 'ENABLED' ? customer : refuse('CUSTOMER_NOT_ENABLED');
  }
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString();
}
