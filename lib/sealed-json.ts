import * as z from 'zod';
import { fromBase64, toBase64 } from './bytes.ts';

const isBytes = (value: unknown) => value instanceof Uint8Array;

/** Bytes as base64, in what waits in a queue or in KV. */
export const bytes = z.codec(z.base64(), z.custom<Uint8Array>(isBytes), {
  decode: fromBase64,
  encode: toBase64,
});

/** A time as RFC 3339, likewise. */
export const time = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});
