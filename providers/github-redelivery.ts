import * as z from 'zod';
import { call, isOutOfReach, reach } from './github-api.ts';
import type { Access, Answer, Assertion, Gap, HttpRequest, Missed, OAuthClient } from './provider.ts';

/** https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app */
export function appAssertion({ settings }: OAuthClient): Assertion | undefined {
  const { APP_ID: iss, APP_PRIVATE_KEY: privateKey } = settings;
  return iss && privateKey ? { privateKey, claims: { iss }, lifetime: 540 } : undefined;
}

const deliveryList = z.array(
  z.object({
    // Past 2^53 they come as their digits.
    id: z.union([z.number(), z.string().regex(/^\d+$/)]),
    guid: z.string(),
    delivered_at: z.iso.datetime({ offset: true }),
    event: z.string(),
  }),
);
type Failed = z.infer<typeof deliveryList>[number];

/** Of a hundred failures each: no look reaches further back than that. */
const PAGES = 20;
/** As many as there is time for; those of one second go together. */
const AT_ONCE = 20;
/** Whoever refuses a delivery as often will not take it. */
const MOST_ATTEMPTS = 5;

/**
 * Has GitHub deliver again what failed, oldest first: https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries.
 * Gives the time up to which that was done where there is more; `refused` where it is not to be had at all.
 */
export function* redeliver(
  credential: string,
  path: string,
  { since, until }: Omit<Gap, 'registered'>,
): Generator<HttpRequest, Date | 'limited' | 'refused' | undefined, Answer> {
  const failed: Failed[] = [];
  let next: string | undefined = `${path}?status=failure&per_page=100`;
  for (let page = 0; next !== undefined && page < PAGES; page += 1) {
    const answer: Answer | undefined = yield* reach(call({ credential }, 'GET', next));
    if (!answer) return 'limited';
    // A hook that is gone is made anew when it is looked after.
    if (answer.status === 404) return undefined;
    const found: Failed[] | undefined = deliveryList.safeParse(answer.json).data;
    if (isOutOfReach(answer)) return 'refused';
    if (answer.status !== 200 || !found) return 'limited';
    failed.push(...found);
    const isPast = found.some((each) => new Date(each.delivered_at) <= since);
    const link: RegExpExecArray | null = /<https:\/\/api\.github\.com([^>]+)>; rel="next"/.exec(
      answer.headers.get('link') ?? '',
    );
    next = isPast ? undefined : link?.[1];
  }
  const due = dueOf(failed, since, until);
  let done: string | undefined;
  for (const [at, { id, delivered_at }] of due.entries()) {
    if (at >= AT_ONCE && delivered_at !== done) return new Date(done ?? since);
    const answer = yield* reach(call({ credential }, 'POST', `${path}/${id}/attempts`));
    // 404: GitHub has forgotten it.
    if (answer?.status !== 202 && answer?.status !== 404) {
      if (done !== undefined) return before(done);
      return answer && isOutOfReach(answer) ? 'refused' : 'limited';
    }
    done = delivered_at;
  }
  return undefined;
}

/** The last failures of what happened within the gap, oldest first. */
function dueOf(failed: readonly Failed[], since: Date, until: Date): Failed[] {
  const latest = new Map<string, Failed>();
  for (const each of failed) if (!latest.has(each.guid)) latest.set(each.guid, each);
  const attemptsOf = (guid: string) => failed.filter((each) => each.guid === guid).length;
  return [...latest.values()]
    .filter(({ delivered_at, event, guid }) => {
      const at = new Date(delivered_at);
      return at > since && at <= until && event !== 'ping' && attemptsOf(guid) < MOST_ATTEMPTS;
    })
    .reverse();
}

/** Others of its second may be left. */
function before(time: string): Date {
  return new Date(new Date(time).getTime() - 1_000);
}

/** The same for each of a connection's hooks. */
export function* redeliverAll(
  { credential }: Access,
  { since, until, registered }: Gap,
): Generator<HttpRequest, Missed, Answer> {
  let end = until;
  for (const { id, target } of registered) {
    const found = yield* redeliver(credential, `/repos/${target}/hooks/${id}/deliveries`, {
      since,
      until: end,
    });
    if (found === 'limited') return { unable: true };
    // One that is out of reach keeps no other waiting.
    if (found === 'refused') continue;
    end = found && found < end ? found : end;
  }
  return { deliveries: [], until: end, hasMore: end < until };
}
