/**
 * The lock of statements that decide whether a grant still has a connection: a connect that leaves an account and
 * a disconnect of the same provider go one after the other, so that of two who leave a grant one is the last.
 */
export function grantsLock(providerId: string): string {
  return `grants of ${providerId}`;
}
