import type { Requirement, SecurityScheme } from './definition.ts';
import type { Sent } from './description.ts';

/** Whether a request carries one of the credentials that an operation asks for, by their kind alone. */
export function hasCredentials(
  { headers, url }: Sent,
  requirements: Requirement[],
  schemes: Record<string, SecurityScheme>,
): boolean {
  const authorization = headers.get('authorization') ?? '';
  const carries = (name: string): boolean => {
    const scheme = schemes[name];
    if (scheme?.type === 'http') return new RegExp(`^${scheme.scheme} \\S`, 'i').test(authorization);
    if (scheme?.type === 'oauth2') return /^Bearer \S/i.test(authorization);
    if (scheme?.type !== 'apiKey' || scheme.name === undefined) return false;
    return scheme.in === 'header' ? Boolean(headers.get(scheme.name)) : url.searchParams.has(scheme.name);
  };
  return (
    requirements.length === 0 || requirements.some((requirement) => Object.keys(requirement).every(carries))
  );
}
