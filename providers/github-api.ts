import * as z from 'zod';
import { type Access, type Answer, bearer, type Dialogue, getJson, type HttpRequest } from './provider.ts';

/** https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api */
export const headers = {
  accept: 'application/vnd.github+json',
  'user-agent': 'Reeve-Connectors',
  'x-github-api-version': '2026-03-10',
};

/** https://docs.github.com/en/rest. What was renamed or moved is told by a redirect. */
export function call(
  { credential }: Pick<Access, 'credential'>,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
): HttpRequest {
  const request = getJson(`https://api.github.com${path}`, { ...headers, ...bearer(credential) });
  if (!body) return { ...request, method, takesRedirect: true };
  return {
    ...request,
    method,
    takesRedirect: true,
    headers: { ...request.headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

/** A hundred of what a list holds, with names of any length: a repository is some 6 KB, and may be 15. */
const LIST_BYTES = 4_000_000;

/** A page of a list. */
export function list(access: Pick<Access, 'credential'>, path: string): HttpRequest {
  return { ...call(access, 'GET', path), maxBytes: LIST_BYTES };
}

/** What is answered; undefined where no answer comes. */
export function* answerTo(request: HttpRequest): Dialogue<Answer | undefined> {
  try {
    return yield request;
  } catch {
    return undefined;
  }
}

const told = z.object({ message: z.string() });

/** https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api */
export function isLimited({ status, headers: given, json }: Answer): boolean {
  if (status !== 403) return status === 429;
  const isSpent = given.has('retry-after') || given.get('x-ratelimit-remaining') === '0';
  return isSpent || /rate limit/i.test(told.safeParse(json).data?.message ?? '');
}

export function isRedirect({ status }: Answer): boolean {
  return status >= 300 && status < 400;
}

/** Whether it is gone, or not for this credential: asking again changes nothing. */
export function isOutOfReach(answer: Answer): boolean {
  const isGone = [404, 410, 451].includes(answer.status) || isRedirect(answer);
  return isGone || (answer.status === 403 && !isLimited(answer));
}

/** The answer to what is asked of a repository, where that is now, if GitHub says where: by its number, and at GitHub. */
export function* reach(request: HttpRequest): Dialogue<Answer | undefined> {
  const answer = yield* answerTo(request);
  const url = answer && isRedirect(answer) ? (answer.headers.get('location') ?? '') : '';
  const isKnown = /^https:\/\/api\.github\.com\/repositories\/\d+\/hooks[\w/?=&]*$/.test(url);
  return isKnown ? yield* answerTo({ ...request, url }) : answer;
}
