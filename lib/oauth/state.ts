import * as z from 'zod';
import { hmacSha256, sha256Hex, toBase64url, toUtf8 } from '../bytes.ts';
import { unavailable } from '../problem.ts';
import type { Services } from '../services.ts';

/** Seconds a person has for the provider's consent screen. */
export const STATE_TTL = 600;

/** What we know of a flow when it comes back. The client supplies none of it. */
export type Flow = z.infer<typeof flow>;

const flow = z.object({
  provider: z.string(),
  sessionId: z.string(),
  brandId: z.string().nullable(),
  config: z.record(z.string(), z.string()),
  replace: z.boolean(),
  returnTo: z.string(),
  /** SHA-256 of the binding cookie; null where the binding is off. */
  binding: z.string().nullable(),
  /** Milliseconds since 1970. */
  expiresAt: z.number(),
});

/** A flow as it stands in KV. */
const flowRecord = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('not JSON');
      return z.NEVER;
    }
  })
  .pipe(flow);

/** A state is 32 random bytes in base64url; anything else was never ours. */
function isState(value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value);
}

/** Keeps a flow under the SHA-256 of its state: one write to KV, awaited before the state leaves. */
export async function putFlow({ env, meter }: Services, state: string, value: Flow): Promise<void> {
  meter.kv += 1;
  try {
    await env.STATES.put(`state:${await sha256Hex(state)}`, JSON.stringify(value), {
      expirationTtl: STATE_TTL,
    });
  } catch {
    throw unavailable('kv put');
  }
}

/** The flow of a state, or undefined. KV cannot tell who came first: that is decided by the claim. */
export async function getFlow({ env, meter }: Services, state: string): Promise<Flow | undefined> {
  if (!isState(state)) return undefined;
  meter.kv += 1;
  let record: string | null;
  try {
    record = await env.STATES.get(`state:${await sha256Hex(state)}`);
  } catch {
    throw unavailable('kv get');
  }
  const parsed = flowRecord.safeParse(record);
  return parsed.success ? parsed.data : undefined;
}

/** The flow's code verifier (RFC 7636 section 4.1), derived, so that it is stored nowhere. */
export async function codeVerifier({ config }: Services, state: string): Promise<string> {
  return toBase64url(await hmacSha256(toUtf8(config.STATE_KEY), `code verifier ${state}`));
}
