/** A scope and what it holds: `write_products` reads too. */
export function implied(scope: string): string[] {
  return /^(unauthenticated_)?write_/.test(scope) ? [scope, scope.replace('write_', 'read_')] : [scope];
}

export function holds(scopes: readonly string[], scope: string): boolean {
  return scopes.flatMap(implied).includes(scope);
}
