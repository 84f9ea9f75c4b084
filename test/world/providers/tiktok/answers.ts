import { randomBytes } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';

/** The return codes used here (portal/docs?id=1737172488964097); their words are not all documented. */
const MESSAGES = {
  40001: 'No permission for this operation',
  40002: 'Invalid parameter',
  40100: 'Requests made too frequently',
  40101: 'Authentication parameters do not match',
  40104: 'Access token is empty. Set it in http header with key Access-Token',
  40105: 'Access token is incorrect or has been revoked.',
  40106: 'Access token does not belong to this advertiser',
  40110: 'Invalid authorization code',
  40113: 'The app does not exist, is blocked or has another secret',
  50000: 'System error',
};

export type ReturnCode = keyof typeof MESSAGES;
export type Answers = ReturnType<typeof answers>;

/** Success and failure are HTTP 200 alike, and `code` tells them apart. */
export function answers({ store, now }: SimulatorContext) {
  function envelope(code: number, message: string, data: unknown): Response {
    const time = new Date(now()).toISOString().replace(/\D/g, '').slice(0, 14);
    const request_id = time + randomBytes(9).toString('hex').toUpperCase();
    const text = JSON.stringify({ code, message, request_id, data });
    // JSON.stringify would round such a number. Of all ids, only those of advertisers look like this.
    const body = store.get<boolean>('settings.numericIds') ? text.replace(/"(7\d{18})"/g, '$1') : text;
    return new Response(body, { headers: { 'content-type': 'application/json' } });
  }

  return {
    ok: (data: unknown) => envelope(0, 'OK', data),
    refuse: (code: ReturnCode, detail?: string) => envelope(code, detail ?? MESSAGES[code], {}),
  };
}

/** A parameter that is JSON inside the query, as all arrays and objects are. */
export function jsonText<T extends z.ZodType>(inner: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'Not a valid JSON string.' });
        return z.NEVER;
      }
    })
    .pipe(inner);
}

/** What the query or the body says, or what is wrong with it. */
export type Read<T> = { value: T } | { wrong: string };

/** Stricter than the service, which ignores a parameter it does not know: a misspelt one should be seen. */
export function readQuery<T>(c: Context, schema: z.ZodType<T>): Read<T> {
  const search = new URL(c.req.url).searchParams;
  if (search.size !== new Set(search.keys()).size) return { wrong: 'A parameter occurs twice.' };
  return read(Object.fromEntries(search), schema);
}

export async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<Read<T>> {
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
    return { wrong: 'Content-Type: must be application/json.' };
  }
  return read(await c.req.json<unknown>().catch(() => undefined), schema);
}

function read<T>(input: unknown, schema: z.ZodType<T>): Read<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return { value: parsed.data };
  const [issue] = parsed.error.issues;
  return { wrong: `${issue?.path.join('.') || 'request'}: ${issue?.message}` };
}
