import type { Meter } from './meter.ts';
import { Problem } from './problem.ts';

/** Runs a job and writes its one log line; a failure is logged and thrown on, so that the platform retries. */
export async function logJob(
  job: string,
  meter: Meter,
  run: () => Promise<Record<string, string | number>>,
): Promise<void> {
  const started = Date.now();
  const line = (level: string, more: Record<string, string | number>) =>
    JSON.stringify({ level, event: 'job', job, ...more, duration_ms: Date.now() - started, ...meter });
  try {
    console.log(line('info', await run()));
  } catch (error) {
    const code = error instanceof Problem ? error.code : 'internal_error';
    const reason =
      error instanceof Problem ? error.reason : error instanceof Error ? error.name : typeof error;
    console.error(line('error', { code, reason: reason ?? '' }));
    throw error;
  }
}
