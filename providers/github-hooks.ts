import * as z from 'zod';
import { answerTo, call, isLimited, isOutOfReach, isRedirect, list, reach } from './github-api.ts';
import { type Access, type Answer, type Dialogue, isOwnAddress, type Registered } from './provider.ts';

const events = ['push', 'pull_request', 'deployment_status'];

const hooks = z.array(
  z.object({ id: z.number().int(), config: z.object({ url: z.string().optional().default('') }) }),
);
const hook = z.object({ id: z.number().int() });
/** https://docs.github.com/en/webhooks/about-webhooks#limits: it is told by its sentence alone. */
const isFull = z.object({
  errors: z.array(z.object({ message: z.string().regex(/more than 20 hooks/) })).nonempty(),
});

/** Where GitHub does not say how long to wait. */
const PAUSE = 60;
const LONGEST_PAUSE = 3_600;

/** What came of one hook. */
export type Outcome =
  | { is: 'stands'; id: string }
  /** It was renamed or transferred. */
  | { is: 'moved' }
  /** Not for this credential. */
  | { is: 'refused' }
  /** The repository has as many as it may have, of others. */
  | { is: 'full' }
  /** Nor is anything else. */
  | { is: 'ended' }
  | { is: 'gone' }
  /** Gone, or its repository is none of the credential's any more: GitHub says the same of both. */
  | { is: 'unseen' }
  | { is: 'failed' }
  /** Seconds to wait before anything else is asked. */
  | { is: 'limited'; wait: number };

/** Makes a hook, or sees to it that the one that stands is as it should be. One that nobody knew of is adopted. */
export function* hookOn(
  access: Access,
  { id, target }: Registered,
  { url, secret }: { url: string; secret: string },
): Dialogue<Outcome> {
  const wanted = { active: true, events, config: { url, content_type: 'json', secret, insecure_ssl: '0' } };
  const hooksOfIt = `/repos/${target}/hooks`;
  if (id !== '') {
    const changed = yield* answerTo(call(access, 'PATCH', `${hooksOfIt}/${id}`, wanted));
    if (changed?.status === 200) return { is: 'stands', id };
    if (changed?.status !== 404) return failureOf(changed);
  }
  const made = yield* answerTo(call(access, 'POST', hooksOfIt, { name: 'web', ...wanted }));
  if (made?.status === 201) {
    const its = hook.safeParse(made.json).data;
    return its ? { is: 'stands', id: String(its.id) } : { is: 'failed' };
  }
  if (made?.status !== 422) return failureOf(made);
  const listed = yield* answerTo(list(access, `${hooksOfIt}?per_page=100`));
  if (listed?.status !== 200) return failureOf(listed);
  const found = hooks.safeParse(listed.json).data ?? [];
  const ours =
    found.find(({ config }) => config.url === url) ??
    found.find(({ config }) => isOwnAddress(config.url, url));
  if (!ours) return { is: isFull.safeParse(made.json).success ? 'full' : 'refused' };
  const adopted = yield* answerTo(call(access, 'PATCH', `${hooksOfIt}/${ours.id}`, wanted));
  return adopted?.status === 200 ? { is: 'stands', id: String(ours.id) } : failureOf(adopted);
}

/** Takes a hook away; where its id is not known, what stands at our address, but for what is kept. */
export function* removeHook(
  access: Access,
  { id, target }: Registered,
  { url, kept }: { url: string; kept: readonly Registered[] },
): Dialogue<Outcome> {
  const hooksOfIt = `/repos/${target}/hooks`;
  let ids = [id];
  if (id === '') {
    const listed = yield* reach(list(access, `${hooksOfIt}?per_page=100`));
    if (listed?.status !== 200) return listed?.status === 404 ? { is: 'unseen' } : removalOf(listed);
    const found = hooks.safeParse(listed.json).data;
    if (!found) return { is: 'failed' };
    ids = found.filter(({ config }) => isOwnAddress(config.url, url)).map((each) => String(each.id));
  }
  for (const each of ids) {
    // A repository may have been chosen by two of its names.
    if (kept.some((other) => other.id === each)) continue;
    const removed = yield* reach(call(access, 'DELETE', `${hooksOfIt}/${each}`));
    const outcome = removalOf(removed);
    if (outcome.is !== 'gone') return outcome;
    // Who may list the hooks would have been let take it away.
    if (removed?.status === 404) {
      const listed = yield* reach(call(access, 'GET', `${hooksOfIt}?per_page=1`));
      if (listed?.status !== 200) return { is: 'unseen' };
    }
  }
  return { is: 'gone' };
}

function removalOf(answer: Answer | undefined): Outcome {
  if (answer?.status === 204) return { is: 'gone' };
  if (answer?.status === 401) return { is: 'ended' };
  const outcome = failureOf(answer);
  // What is not there any more is not there by its old name either.
  return outcome.is === 'moved' || (outcome.is === 'refused' && answer?.status !== 403)
    ? { is: 'gone' }
    : outcome;
}

function failureOf(answer: Answer | undefined): Outcome {
  if (!answer) return { is: 'failed' };
  if (isLimited(answer)) {
    const wait = Number(answer.headers.get('retry-after')) || PAUSE;
    return { is: 'limited', wait: Math.min(Math.max(wait, 1), LONGEST_PAUSE) };
  }
  if (isRedirect(answer)) return { is: 'moved' };
  return { is: isOutOfReach(answer) ? 'refused' : 'failed' };
}
