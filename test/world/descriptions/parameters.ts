import { unfold } from '../providers/stripe/form.ts';
import { Unfit } from './description.ts';

export type Parameters = Record<string, unknown>;

/** Parameters by their names as they are written; one that comes several times is a list. */
export function flat(parameters: URLSearchParams): Parameters {
  return Object.fromEntries(
    [...new Set(parameters.keys())].map((name) => {
      const values = parameters.getAll(name);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

/** Parameters with brackets in their names, unfolded: `a[b]=1`, `a[]=1`, `a[0]=1`. */
export function nested(parameters: URLSearchParams): Parameters {
  for (const name of new Set(parameters.keys())) {
    if (!name.endsWith('[]') && parameters.getAll(name).length > 1) throw new Unfit(`${name}: comes twice`);
  }
  const unfolded = unfold(parameters);
  return typeof unfolded === 'object' && !Array.isArray(unfolded) ? unfolded : {};
}
