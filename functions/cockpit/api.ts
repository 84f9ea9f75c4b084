import type { Context } from 'hono';
import type * as z from 'zod';
import type { AppEnv } from '../../lib/http/app.ts';
import { problemBody } from '../../lib/http/bodies.ts';

/** Sends a request through the Worker's own routes, with nothing a stranger could not send, too. */
export type Dispatch = (request: Request, c: Context<AppEnv>) => Response | Promise<Response>;

export interface Refusal {
  ok: false;
  status: number;
  problem: z.infer<typeof problemBody>;
  /** Seconds, where the API named them. */
  retryAfter: number | undefined;
}

export type Reply<Body> = { ok: true; body: Body; headers: Headers } | Refusal;

/** Calls the API as the signed-in user in the page's brand. */
export async function callApi<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  dispatch: Dispatch,
  request: {
    method: 'GET' | 'POST' | 'DELETE';
    path: string;
    session: string;
    brand: string | undefined;
    body?: unknown;
  },
  schema: Schema,
): Promise<Reply<z.infer<Schema>>> {
  const headers = new Headers({ accept: 'application/json', authorization: `Bearer ${request.session}` });
  if (request.brand !== undefined) headers.set('x-brand-id', request.brand);
  const address = c.req.header('cf-connecting-ip');
  if (address !== undefined) headers.set('cf-connecting-ip', address);
  if (request.body !== undefined) headers.set('content-type', 'application/json');
  const response = await dispatch(
    new Request(new URL(request.path, c.get('services').config.PUBLIC_URL), {
      method: request.method,
      headers,
      body: request.body === undefined ? null : JSON.stringify(request.body),
    }),
    c,
  );
  const body: unknown = await response.json();
  const retryAfter = Number(response.headers.get('retry-after') ?? 0);
  return response.ok
    ? { ok: true, body: schema.parse(body), headers: response.headers }
    : {
        ok: false,
        status: response.status,
        problem: problemBody.parse(body),
        retryAfter: retryAfter || undefined,
      };
}
