/** Begins with so many items a second, whether or not those before are over; gives how many a second it was, once all are. */
export async function steadily<Item>(
  items: readonly Item[],
  perSecond: number,
  run: (item: Item) => Promise<void>,
): Promise<number> {
  const started = performance.now();
  const under: Promise<void>[] = [];
  for (const [at, item] of items.entries()) {
    const early = started + (at * 1000) / perSecond - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    under.push(run(item));
  }
  const lasted = performance.now() - started;
  await Promise.all(under);
  return (items.length * 1000) / Math.max(lasted, 1);
}

/** The number that a share of all numbers is not greater than; infinite where there are none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity;
}
