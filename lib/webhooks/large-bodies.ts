import { unavailable } from '../problem.ts';

/** Bytes of large bodies that an isolate holds at once: one of the largest that a provider sends. */
const BUDGET = 26 * 1024 * 1024;
/** Whoever vanished does not give back what they took. */
const LEASE_MS = 20_000;
const WAIT_MS = 2_000;
const LOOK_EVERY_MS = 20;

const taken = new Map<Room, { bytes: number; until: number }>();

/** A request's share of the memory that an isolate has for large bodies. */
export class Room {
  /** Takes so many bytes, once they are left. Throws `unavailable` where that takes longer than two seconds. */
  async take(bytes: number): Promise<void> {
    const end = Date.now() + WAIT_MS;
    while (!this.#tryToTake(bytes)) {
      if (Date.now() >= end) throw unavailable('too many large bodies at once');
      // Looked for again and again: who gives back is another request, which cannot wake this one.
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Whether there is something to give back. */
  get isTaken(): boolean {
    return taken.has(this);
  }

  /** Gives back what was taken. */
  leave(): void {
    taken.delete(this);
  }

  #tryToTake(bytes: number): boolean {
    const now = Date.now();
    let used = 0;
    for (const [room, { bytes: held, until }] of taken) {
      if (until <= now) taken.delete(room);
      else used += held;
    }
    if (used > 0 && used + bytes > BUDGET) return false;
    taken.set(this, { bytes, until: now + LEASE_MS });
    return true;
  }
}
