import type { World } from '../world/world.ts';

/** Somebody's session, and the brand that they work for. */
export interface Seat {
  token: string;
  brand: string | null;
}

const RIGHT_ANSWERS = { authorize: 200, consent: 302 };

/** What a request of somebody's carries. */
export function headersOf({ token, brand }: Seat): Record<string, string> {
  return { authorization: `Bearer ${token}`, ...(brand !== null && { 'x-brand-id': brand }) };
}

/** Signs in at a provider as a browser does: authorize, consent with all that is asked, and the callback. */
export async function signIn(
  world: World,
  seat: Seat,
  { provider, account, scopes }: { provider: string; account: string; scopes: readonly string[] },
): Promise<{ status: number; body: unknown }> {
  const begun = await fetch(`${world.url}/api/oauth/${provider}/authorize`, { headers: headersOf(seat) });
  const cookies = begun.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '');
  const { authorization_url: page } = (await expected(begun, RIGHT_ANSWERS.authorize).json()) as {
    authorization_url: string;
  };
  const form = new URLSearchParams({ decision: 'approve', account });
  for (const scope of scopes) form.append('scopes', scope);
  const given = await fetch(page, { method: 'POST', body: form, redirect: 'manual' });
  const back = expected(given, RIGHT_ANSWERS.consent).headers.get('location') ?? '';
  const { pathname, search } = new URL(back);
  const answer = await fetch(`${world.url}${pathname}${search}`, {
    headers: { accept: 'application/json', cookie: cookies.join('; ') },
    redirect: 'manual',
  });
  return { status: answer.status, body: await answer.json() };
}

function expected(answer: Response, status: number): Response {
  if (answer.status !== status) throw new Error(`${new URL(answer.url).pathname} answered ${answer.status}`);
  return answer;
}
