import * as z from 'zod';
import { type Access, type Answer, postJson } from './provider.ts';

const apiVersion = '2026-10';

const refusal = z.object({
  errors: z.array(z.object({ extensions: z.object({ code: z.string() }).optional() })),
});

/** https://shopify.dev/docs/api/admin-graphql */
export function ask(
  { credential, config }: Pick<Access, 'credential' | 'config'>,
  query: string,
  variables?: object,
) {
  return postJson(
    `https://${config.shop}/admin/api/${apiVersion}/graphql.json`,
    { query, ...(variables && { variables }) },
    { 'x-shopify-access-token': credential },
  );
}

/** https://shopify.dev/docs/api/usage/limits */
export function isThrottled({ status, json }: Answer): boolean {
  const errors = refusal.safeParse(json).data?.errors ?? [];
  return status === 429 || errors.some((error) => error.extensions?.code === 'THROTTLED');
}

/** Whether the shop has not allowed what was asked for: https://shopify.dev/docs/api/usage/response-codes */
export function isDenied({ json }: Answer): boolean {
  const errors = refusal.safeParse(json).data?.errors ?? [];
  return errors.some((error) => error.extensions?.code === 'ACCESS_DENIED');
}
