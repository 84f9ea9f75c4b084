import { expect } from 'vitest';
import type { World } from '../world/world.ts';
import { until } from './trips.ts';

/** Fires the cron as the platform does each minute, and gives the log line of one of its jobs. */
export async function fireCron(world: World, job = 'sweep'): Promise<Record<string, unknown>> {
  const lines = () => world.logs.filter((line) => line.includes(`"job":"${job}"`));
  const before = lines().length;
  const cron = encodeURIComponent('* * * * *');
  const fired = await fetch(`${world.url}/cdn-cgi/handler/scheduled?cron=${cron}`);
  expect(fired.status, await fired.text()).toBe(200);
  return JSON.parse(await until(() => lines()[before])) as Record<string, unknown>;
}
