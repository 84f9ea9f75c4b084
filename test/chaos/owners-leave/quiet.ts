import type { World } from '../../world/world.ts';

/** No count moves for so long once nobody is at anything. */
const QUIET_MS = 300;
const PATIENCE_MS = 20_000;

/** Waits until nobody is at anything. */
export async function quiet(world: World): Promise<void> {
  let [count, since] = [-1, Date.now()];
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    if (world.neon.count() !== count) [count, since] = [world.neon.count(), Date.now()];
    if (Date.now() - since >= QUIET_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not become quiet');
}
