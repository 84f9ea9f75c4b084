import { describe, expect, test } from 'vitest';
import { importSecret, isSigned } from '../../../lib/webhooks/signature.ts';
import { readVectors } from '../../support/vectors.ts';

interface Group {
  keySize: number;
  tagSize: number;
  tests: { tcId: number; key: string; msg: string; tag: string; result: 'valid' | 'invalid' }[];
}

const groups = readVectors<{ groups: Group[] }>('wycheproof-hmac-sha256.json')?.groups ?? [];
const cases = groups.flatMap(({ tagSize, tests }) => tests.map((each) => ({ ...each, tagSize })));
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Keys as raw as the vectors have them: secrets are text, and cannot be just any bytes. */
const keyOf = (hex: string) =>
  crypto.subtle.importKey('raw', bytes(hex), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);

const verify = async (key: string, tag: string, message: Uint8Array) =>
  isSigned({ header: 'x-tag', read: (text) => ({ macs: [bytes(text)] }) }, tag, message, {
    keys: [await keyOf(key)],
    now: Date.now(),
  });

describe.runIf(cases.length > 0)('HMAC-SHA-256 of this runtime against Wycheproof', () => {
  const full = cases.filter(({ tagSize }) => tagSize === 256);
  const short = cases.filter(({ tagSize }) => tagSize < 256);

  test(`all ${full.length} tests with whole tags come out as stated`, async () => {
    expect(full.length).toBeGreaterThan(80);
    for (const { tcId, key, msg, tag, result } of full) {
      // Nobody sends a delivery without a body: it is refused, though its tag is right.
      const expected = result === 'valid' && msg !== '';
      expect(await verify(key, tag, bytes(msg)), `tcId ${tcId}`).toBe(expected);
    }
  });

  test(`none of the ${short.length} tags that were cut short is taken, right or wrong`, async () => {
    for (const { tcId, key, msg, tag } of short)
      expect(await verify(key, tag, bytes(msg)), `tcId ${tcId}`).toBe(false);
  });

  test('keys that are text are the same as secrets', async () => {
    const isText = (hex: string) => Buffer.from(Buffer.from(hex, 'hex').toString()).toString('hex') === hex;
    for (const { key, msg, tag, result } of full.filter(({ key: hex, msg: m }) => isText(hex) && m !== '')) {
      const secret = await importSecret(Buffer.from(key, 'hex').toString());
      const signature = { header: 'x-tag', read: (text: string) => ({ macs: [bytes(text)] }) };
      const keys = secret ? [secret] : [];
      expect(await isSigned(signature, tag, bytes(msg), { keys, now: 0 })).toBe(result === 'valid');
    }
  });
});
