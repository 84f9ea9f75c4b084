import { expect } from 'vitest';
import type { World } from '../world/world.ts';
import { until } from './trips.ts';

/** Fires the cron as the platform does each minute, and gives the log line of one of its jobs. */
export async function fireCron(world: World, job = 'sweep'): Promise<Record<string, unknown>> {
  const lines = () => world.logs.filter((line) => line.includes(`"job":"${job}"`));
  const before = lines().length;
  const fired = await tryCron(world);
  expect(fired.status, await fired.text()).toBe(200);
  return JSON.parse(await until(() => lines()[before])) as Record<string, unknown>;
}

/** The same where a job may fail. */
export function tryCron(world: World): Promise<Response> {
  return fetch(`${world.url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`);
}
