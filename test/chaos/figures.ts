/** One figure of a scenario: what was measured against what must be. */
export interface Figure {
  name: string;
  must: string;
  got: string;
  ok: boolean;
}

export function figure(name: string, must: string, got: string | number, ok: boolean): Figure {
  return { name, must, got: String(got), ok };
}

/** A generator of numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
