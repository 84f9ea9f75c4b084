import type { CallbackSignature, Config, OAuthClient } from '../../providers/provider.ts';
import { equalInConstantTime, hmacSha256, toHex, toUtf8 } from '../bytes.ts';

/** Whether a callback's query is signed with the client's secret, lately, and about the flow's own config. */
export async function isSignedCallback(
  signature: CallbackSignature,
  query: URLSearchParams,
  { client, config, now }: { client: OAuthClient; config: Config; now: number },
): Promise<boolean> {
  const names = [...query.keys()];
  if (new Set(names).size !== names.length) return false;
  const given = query.get(signature.parameter) ?? '';
  const time = query.get(signature.timestamp.parameter) ?? '';
  const expected = toHex(await hmacSha256(toUtf8(client.secret), signature.message(query)));
  return (
    equalInConstantTime(given, expected) &&
    /^[0-9]{1,12}$/.test(time) &&
    Math.abs(now / 1000 - Number(time)) <= signature.timestamp.tolerance &&
    signature.bound.every((name) => query.get(name) === config[name])
  );
}
