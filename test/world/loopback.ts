export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A provider gateway without its last slash. Throws where it is not on this machine. */
export function requireLoopback(url: string): string {
  if (!isLoopback(new URL(url).hostname)) throw new Error('PROVIDER_GATEWAY must be a loopback address');
  return url.replace(/\/+$/, '');
}
