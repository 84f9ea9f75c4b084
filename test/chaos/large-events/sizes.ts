import { seeded } from '../figures.ts';
import { LARGEST } from '../github-app.ts';

/** Larger than this, a payload may hold up others. */
export const LARGE = 256 * 1024;
const KB = 1024;

/**
 * Sizes of payloads in bytes, the same for the same seed: nine of ten take up to 4 KB, six of a hundred up to 1 MB, and
 * four of a hundred anything up to the largest there is, of which there is at least one; in all no more than `total`, so
 * that what comes when that is used up is small.
 */
export function sizesOf(count: number, total: number, seed: number): number[] {
  const random = seeded(seed);
  let left = total - LARGEST;
  return Array.from({ length: count }, (_, at) => {
    const [kind, size] = [random(), random()];
    if (at === Math.floor(count / 2)) return LARGEST;
    const wanted =
      kind < 0.9
        ? size * 4 * KB
        : kind < 0.96
          ? 4 * KB * 256 ** size
          : 1_024 * KB + size * (LARGEST - 1_024 * KB);
    const bytes = Math.floor(wanted <= left ? wanted : size * 4 * KB);
    left -= bytes;
    return bytes;
  });
}
