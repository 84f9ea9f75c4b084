import { type Access, bearer, getJson } from './provider.ts';

/** https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api */
export const headers = {
  accept: 'application/vnd.github+json',
  'user-agent': 'Reeve-Connectors',
  'x-github-api-version': '2026-03-10',
};

/** https://docs.github.com/en/rest */
export function call(
  { credential }: Pick<Access, 'credential'>,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
) {
  const request = getJson(`https://api.github.com${path}`, { ...headers, ...bearer(credential) });
  if (!body) return { ...request, method };
  return {
    ...request,
    method,
    headers: { ...request.headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}
