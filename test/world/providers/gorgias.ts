import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext, SimulatorFactory } from '../simulator.ts';
import {
  accountObject,
  noHelpdesk,
  refusal,
  surveyObjects,
  ticketObjects,
  userObjects,
} from './gorgias/answers.ts';
import { countCall, createKey, DOMAINS, identify, type KeyRecord } from './gorgias/records.ts';

type Env = { Variables: { record: KeyRecord } };

const HOST = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.gorgias\.com$/;

const order = z
  .enum(['created_datetime:asc', 'created_datetime:desc', 'updated_datetime:asc', 'updated_datetime:desc'])
  .optional();
const number = z.string().regex(/^\d+$/).optional();
const page = { limit: z.coerce.number().int().min(1).max(100).default(30), cursor: z.string().optional() };
const ticketsQuery = z.strictObject({
  ...page,
  order_by: order,
  customer_id: number,
  external_id: z.string().optional(),
  view_id: number,
  rule_id: number,
  ticket_ids: z.string().optional(),
  trashed: z.enum(['true', 'false']).optional(),
});
const surveysQuery = z.strictObject({ ...page, order_by: order, ticket_id: number, customer_id: number });
const usersQuery = z.strictObject({ ...page, order_by: z.string().optional(), email: z.string().optional() });

const statsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
  cursor: z.string().optional(),
});
const statsBody = z.strictObject({
  query: z.strictObject({
    scope: z.string(),
    filters: z.array(
      z.strictObject({ member: z.string(), operator: z.string(), values: z.array(z.string()) }),
    ),
    timezone: z.string(),
    measures: z.array(z.string()).min(1),
    dimensions: z.array(z.string()).optional(),
    time_dimensions: z.array(z.strictObject({ dimension: z.string(), granularity: z.string() })).optional(),
  }),
});

/**
 * Gorgias' REST API (developers.gorgias.com): the helpdesks `acme`, `globex`, and `closed`, which is
 * deactivated.
 *
 * Setting in the store: `settings.retryAfter` (seconds; every call is one too many).
 *
 * `issueKey` options: `domain`, `email`, `role`, `account` (`false`: the role may not read the account),
 * `expired` (`true`: reset since).
 */
export const gorgias: SimulatorFactory = (context) => {
  const app = helpdesk(context);
  return {
    provider: 'gorgias',
    host: (hostname) => HOST.test(hostname),
    fetch: (request) => app.fetch(request),
    issueKey: (options) => createKey(context, options),
  };
};

function helpdesk(context: SimulatorContext) {
  const app = new Hono<Env>({ getPath: (request) => new URL(request.url).pathname.replace(/\/$/, '') });

  app.use(async (c, next) => {
    const domain = HOST.exec(new URL(c.req.url).hostname)?.[1] ?? '';
    if (!DOMAINS.some((known) => known === domain)) return noHelpdesk();
    const { exceeded, seconds, used } = countCall(context, domain);
    c.header('x-gorgias-account-api-call-limit', used);
    const forced = context.store.get<number>('settings.retryAfter');
    if (exceeded || forced !== undefined) {
      c.header('retry-after', String(forced ?? seconds));
      return c.json({ error: { msg: 'Too many requests.' } }, 429);
    }
    const record = identify(context, domain, c.req.header('authorization'));
    if (!record) return refusal(401, '401 Unauthorized: The request was not authenticated.');
    c.set('record', record);
    return next();
  });

  app.get('/api/account', (c) => {
    const refused = lacks(c, 'account') ?? unknown(z.strictObject({}), c.req.query());
    return refused ?? c.json(accountObject(c.var.record.domain, c.var.record.domain !== 'closed'));
  });

  app.get('/api/tickets', (c) => list(c, 'tickets', ticketsQuery, ticketObjects(c.var.record.domain)));
  app.get('/api/users', (c) => list(c, 'users', usersQuery, userObjects(c.var.record.domain)));
  app.get('/api/satisfaction-surveys', (c) => list(c, 'satisfaction-surveys', surveysQuery, surveyObjects()));

  app.get('/api/tickets/:id{\\d+}', (c) => {
    const refused = lacks(c, 'tickets') ?? unknown(z.strictObject({}), c.req.query());
    if (refused) return refused;
    const ticket = ticketObjects(c.var.record.domain).find(({ id }) => String(id) === c.req.param('id'));
    return ticket ? c.json(ticket) : refusal(404, 'Ticket not found.');
  });

  app.post('/api/reporting/stats', async (c) => {
    if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
      return refusal(400, 'The body of the request must be JSON.');
    }
    const body: unknown = await c.req.json().catch(() => undefined);
    const refused = lacks(c, 'statistics') ?? unknown(statsQuery, c.req.query()) ?? unknown(statsBody, body);
    const meta = { next_cursor: null, prev_cursor: null };
    return refused ?? c.json({ object: 'list', uri: c.req.path, data: [], meta });
  });

  app.notFound(() => refusal(404, 'The requested resource does not exist.'));
  return app;
}

function lacks(c: Context<Env>, right: string): Response | undefined {
  if (c.var.record.reads.includes(right)) return undefined;
  return refusal(403, 'You do not have the permissions to perform this request.');
}

/** Unknown parameters and invalid values are refused (reference/errors-1). */
function unknown(schema: z.ZodType, given: unknown): Response | undefined {
  const parsed = schema.safeParse(given);
  if (parsed.success) return undefined;
  const entries = parsed.error.issues.flatMap((issue) => {
    const names = issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.')];
    return names.map((name): [string, string[]] => [
      name,
      [issue.code === 'unrecognized_keys' ? 'Unknown field.' : issue.message],
    ]);
  });
  return refusal(400, 'The request is invalid.', Object.fromEntries(entries));
}

/** Cursor pages (reference/pagination). */
function list(
  c: Context<Env>,
  right: string,
  schema: z.ZodType<{ limit: number; cursor?: string | undefined }>,
  items: unknown[],
): Response {
  const refused = lacks(c, right) ?? unknown(schema, c.req.query());
  if (refused) return refused;
  const { limit, cursor } = schema.parse(c.req.query());
  const start = cursor === undefined ? 0 : Number(Buffer.from(cursor, 'base64url').toString());
  if (!Number.isInteger(start)) {
    return refusal(400, 'The request is invalid.', { cursor: ['Invalid cursor.'] });
  }
  const at = (index: number) => Buffer.from(String(index)).toString('base64url');
  const meta = {
    next_cursor: start + limit < items.length ? at(start + limit) : null,
    prev_cursor: start > 0 ? at(Math.max(0, start - limit)) : null,
  };
  return c.json({ object: 'list', uri: c.req.path, data: items.slice(start, start + limit), meta });
}
