import type { z } from 'zod';
import { StripeRefusal } from './errors.ts';

/** A form as Stripe nests it: `a[b]=1`, `a[]=1`, `a[0]=1`. */
export type FormValue = string | FormValue[] | { [name: string]: FormValue };

/** Unfolds the brackets of `/v1` parameters (docs.stripe.com/api, form-encoded bodies). */
export function unfold(parameters: Iterable<[string, string]>): FormValue {
  const root = new Map<string, unknown>();
  for (const [name, value] of parameters) {
    const path = name.split('[').map((part) => part.replace(/\]$/, ''));
    let node = root;
    for (const part of path.slice(0, -1)) {
      const child = node.get(part);
      const next = child instanceof Map ? child : new Map<string, unknown>();
      node.set(part, next);
      node = next;
    }
    const last = path.at(-1) ?? '';
    node.set(last === '' ? String(node.size) : last, value);
  }
  return fold(root);
}

function fold(node: unknown): FormValue {
  if (!(node instanceof Map)) return String(node);
  const entries = [...node].map(([name, value]): [string, FormValue] => [String(name), fold(value)]);
  const numbered = entries.length > 0 && entries.every(([name]) => /^\d+$/.test(name));
  return numbered ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

/** Reads parameters by their schema, and refuses the first fault in Stripe's words. */
export function readForm<T>(schema: z.ZodType<T>, form: FormValue): T {
  const result = schema.safeParse(form);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map(String) ?? [];
  if (issue?.code === 'unrecognized_keys') {
    const param = bracketed([...path, issue.keys[0] ?? '']);
    throw new StripeRefusal(400, `Received unknown parameter: ${param}`, {
      code: 'parameter_unknown',
      param,
    });
  }
  const param = bracketed(path);
  if (issue?.code === 'invalid_type' && valueAt(form, path) === undefined) {
    throw new StripeRefusal(400, `Missing required param: ${param}.`, { code: 'parameter_missing', param });
  }
  throw new StripeRefusal(400, `Invalid ${param}: ${issue?.message ?? ''}`, { param });
}

function bracketed(path: string[]): string {
  return path.map((part, index) => (index === 0 ? part : `[${part}]`)).join('');
}

function valueAt(form: FormValue, path: string[]): FormValue | undefined {
  return path.reduce<FormValue | undefined>((node, part) => {
    if (Array.isArray(node)) return node[Number(part)];
    return typeof node === 'object' ? node[part] : undefined;
  }, form);
}
