import type { Answer, Dialogue, HttpRequest } from '../providers/provider.ts';
import { OutboundError, type Outlet, send } from './outbound.ts';

/** For all requests of a dialogue together; each has the deadline of every outside call beside. */
const DIALOGUE_MS = 20_000;

/**
 * Holds a dialogue that a provider file describes, and gives its result with the last answer. Throws
 * `OutboundError` where no answer comes.
 */
export async function hold<Result>(
  dialogue: Dialogue<Result>,
  outlet: Outlet,
): Promise<{ result: Result; answer: Answer }> {
  const { result, answer } = await run(dialogue, outlet);
  if (!answer) throw new Error('a dialogue without a request');
  return { result, answer };
}

/** The same for its result alone, which may take no request. `heard` is told each answer on the way. */
export async function resultOf<Result>(
  dialogue: Dialogue<Result>,
  outlet: Outlet,
  deadlineMs = DIALOGUE_MS,
  heard: (answer: Answer) => void = () => undefined,
): Promise<Result> {
  return (await run(dialogue, outlet, deadlineMs, heard)).result;
}

async function run<Result>(
  dialogue: Dialogue<Result>,
  outlet: Outlet,
  deadlineMs = DIALOGUE_MS,
  heard: (answer: Answer) => void = () => undefined,
): Promise<{ result: Result; answer: Answer | undefined }> {
  const until = Date.now() + deadlineMs;
  let step = dialogue.next();
  let answer: Answer | undefined;
  while (!step.done) {
    try {
      answer = await answerBefore(until, step.value, outlet);
    } catch (error) {
      // Thrown on by a dialogue that has nothing to give without this answer.
      step = dialogue.throw(error);
      continue;
    }
    heard(answer);
    step = dialogue.next(answer);
  }
  return { result: step.value, answer };
}

async function answerBefore(until: number, request: HttpRequest, outlet: Outlet): Promise<Answer> {
  const left = until - Date.now();
  if (left <= 0) throw new OutboundError('timeout');
  return send(request, outlet, left);
}
