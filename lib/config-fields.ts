import type { Config, Field, Provider } from '../providers/provider.ts';
import { type InputError, Problem } from './problem.ts';

/** Whether the whole value fits the field's grammar. */
export function fits(field: Field, value: string): boolean {
  return new RegExp(`^(?:${field.pattern})$`, 'v').test(value);
}

/** Whether what stands in a row is still as a person may have given it. */
export function fitsAll(fields: readonly Field[], config: Config): boolean {
  return fields.every((field) => {
    const value: unknown = config[field.name];
    return value === undefined || (typeof value === 'string' && fits(field, value));
  });
}

/**
 * A provider's config as a person gave it, in the one spelling that is kept. Throws `invalid_request`, one
 * error a field.
 */
export function readConfigFields(
  provider: Provider,
  given: Readonly<Record<string, unknown>>,
  prefix = '',
): Config {
  const known = new Map(provider.config.map((field) => [field.name, field]));
  const errors: InputError[] = Object.keys(given)
    .filter((name) => !known.has(name))
    .map((name) => ({ path: prefix + printable(name), message: `${provider.name} has no such setting.` }));
  const config: Record<string, string> = {};

  for (const field of provider.config) {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
    if (value === undefined) {
      if (field.required || (field.unless !== undefined && !Object.hasOwn(given, field.unless)))
        errors.push({ path: prefix + field.name, message: `${field.label} is needed. ${field.help}` });
      continue;
    }
    if (field.unless !== undefined && Object.hasOwn(given, field.unless)) {
      errors.push({
        path: prefix + field.name,
        message: `Give ${field.name} or ${field.unless}, not both. ${field.help}`,
      });
      continue;
    }
    const text = typeof value === 'string' ? (field.normalize?.(value) ?? value) : undefined;
    if (text !== undefined && fits(field, text)) config[field.name] = text;
    else
      errors.push({
        path: prefix + field.name,
        message: `${field.label} does not look right. ${field.help}`,
      });
  }

  if (errors[0]) throw new Problem('invalid_request', errors[0].message, { errors });
  return config;
}

function printable(name: string): string {
  return name.replace(/[^\w.-]/g, '?').slice(0, 64);
}
