import type { CallbackSignature, Config, OAuthClient } from '../../providers/provider.ts';
import { equalInConstantTime, hmacSha256, toHex, toUtf8 } from '../bytes.ts';

export type SignatureFinding =
  /** With the client's secret, lately, and about the flow's own config. */
  | { finding: 'signed' }
  /** As well signed, and about another: parameter `name` is `value` there. */
  | { finding: 'other_config'; name: string; value: string }
  | { finding: 'not_signed' };

/** What the signature of a callback's query is worth. */
export async function checkCallbackSignature(
  signature: CallbackSignature,
  query: URLSearchParams,
  { client, config, now }: { client: OAuthClient; config: Config; now: number },
): Promise<SignatureFinding> {
  const names = [...query.keys()];
  if (new Set(names).size !== names.length) return { finding: 'not_signed' };
  const given = query.get(signature.parameter) ?? '';
  const time = query.get(signature.timestamp.parameter) ?? '';
  const expected = toHex(await hmacSha256(toUtf8(client.secret), signature.message(query)));
  const isSigned =
    equalInConstantTime(given, expected) &&
    /^[0-9]{1,12}$/.test(time) &&
    Math.abs(now / 1000 - Number(time)) <= signature.timestamp.tolerance &&
    signature.bound.every((name) => query.get(name));
  if (!isSigned) return { finding: 'not_signed' };
  const name = signature.bound.find((each) => query.get(each) !== config[each]);
  return name === undefined
    ? { finding: 'signed' }
    : { finding: 'other_config', name, value: query.get(name) ?? '' };
}
