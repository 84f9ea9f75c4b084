import { type Access, bearer, getJson, postForm } from './provider.ts';

export const apiVersion = '2026-10-28.endive';

/** https://docs.stripe.com/api */
export function call(
  { credential }: Access,
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  fields?: Record<string, string>,
) {
  const headers = { ...bearer(credential), 'stripe-version': apiVersion };
  return method === 'POST' ? postForm(url, fields ?? {}, headers) : { ...getJson(url, headers), method };
}
