import type { Answer, Dialogue, Provider } from '../providers/provider.ts';
import type { Meter } from './meter.ts';
import { OutboundError, send } from './outbound.ts';
import { askProvider } from './provider-failure.ts';

/** For all requests of a dialogue together; each has the deadline of every outside call beside. */
const DIALOGUE_MS = 20_000;

/**
 * Holds a dialogue that a provider file describes, and gives its result with the last answer. Throws
 * `provider_timeout` or `provider_error` where no answer comes.
 */
export async function hold<Result>(
  provider: Provider,
  dialogue: Dialogue<Result>,
  meter: Meter,
): Promise<{ result: Result; answer: Answer }> {
  const until = Date.now() + DIALOGUE_MS;
  let step = dialogue.next();
  let answer: Answer | undefined;
  while (!step.done) {
    const request = step.value;
    answer = await askProvider(provider, async () => {
      const left = until - Date.now();
      if (left <= 0) throw new OutboundError('timeout');
      return send(request, meter, left);
    });
    step = dialogue.next(answer);
  }
  if (!answer) throw new Error(`${provider.id}: a dialogue without a request`);
  return { result: step.value, answer };
}
