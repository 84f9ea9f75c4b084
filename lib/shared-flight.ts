const BOUND_MS = 3_000;

/**
 * What comes of work that another request has under way; undefined where that fails, or takes longer than three seconds:
 * it ends with its request, and whoever waits for it must then do it alone.
 */
export async function landingOf<T>(flight: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const bound = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, BOUND_MS, undefined);
  });
  try {
    return await Promise.race([flight.catch(() => undefined), bound]);
  } finally {
    clearTimeout(timer);
  }
}
