import type { Context } from 'hono';
import type { z } from 'zod';
import { refuse } from './door.ts';

/** The body, which is `{}` where there is none; or the refusal. */
export async function readBody<T>(c: Context, schema: z.ZodType<T>, page: string): Promise<T | Response> {
  const text = await c.req.text();
  if (text !== '' && !/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
    return refuse(415, 'Unsupported Media Type: the body must be application/json', page);
  }
  const json: unknown = text === '' ? {} : await new Response(text).json().catch(() => undefined);
  if (json === undefined) return refuse(400, 'Problems parsing JSON', page);
  const body = schema.safeParse(json);
  return body.success ? body.data : refuse(422, 'Invalid request.', page);
}
