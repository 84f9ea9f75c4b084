import * as z from 'zod';
import type { Tokens } from '../providers/provider.ts';

// What comes from outside and is kept or shown: hosts that customers name say what they like.

/** Characters; no provider's id is longer, and PostgreSQL's indexes take none of more than 2,700 bytes. */
const ID_LENGTH = 255;
const NAME_LENGTH = 200;
const DETAIL_LENGTH = 1_000;
const SCOPE_LENGTH = 200;
const SCOPES = 500;

/**
 * What is not seen, or turns around what is: controls, NUL among them, which PostgreSQL refuses, and those of the
 * direction of writing (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
 */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** The id of an account: it is kept as it came, or not at all. */
export const accountId = z
  .string()
  .min(1)
  .max(ID_LENGTH)
  .refine((id) => id.isWellFormed() && id.replace(UNSEEN, '') === id);

/** Scopes that were granted; one of an odd form is none that anything asks for. */
export function grantedScopes(scopes: readonly string[]): string[] {
  const known = scopes.filter(
    (scope) => scope.length <= SCOPE_LENGTH && scope.isWellFormed() && scope.replace(UNSEEN, '') === scope,
  );
  return known.slice(0, SCOPES);
}

/** Tokens with what their answer says beside them as it may be kept. */
export function keptOf(tokens: Tokens): Tokens {
  const { account, scopes, ...rest } = tokens;
  const known = accountId.safeParse(account).data;
  return {
    ...rest,
    ...(known !== undefined && { account: known }),
    ...(scopes && { scopes: grantedScopes(scopes) }),
  };
}

/** A name to be shown: one line, or null where nothing is left of it. */
export function shownName(name: string | null): string | null {
  return shown(name ?? '', NAME_LENGTH) || null;
}

/** A sentence for a person with words of a provider's in it. */
export function shownDetail(detail: string): string {
  return shown(detail, DETAIL_LENGTH);
}

function shown(text: string, length: number): string {
  const line = text
    .slice(0, 4 * length)
    .toWellFormed()
    .replace(UNSEEN, ' ')
    .trim();
  return [...line].slice(0, length).join('');
}
