import { expect } from 'vitest';
import type { Client, Reply } from './client.ts';
import { until } from './trips.ts';

/**
 * The feed once it has so many events. What is younger than anything that is being written is not in it yet, be that
 * in another test's database.
 */
export function feedOf(at: Client, count: number, query = ''): Promise<Reply> {
  return until(async () => {
    const reply = await at.get(`/api/events${query}`);
    expect(reply.status, reply.text).toBe(200);
    return reply.body.events.length >= count ? reply : undefined;
  });
}
