import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { lengthPrefixed, toUtf8 } from '../../lib/bytes.ts';
import { type Binding, dataKeyIdOf, EnvelopeError, open, reseal, seal } from '../../lib/envelope.ts';

const keyId = '01a20cfb-2f1f-776d-b0da-eec81c3ede9f';
const otherKeyId = '01a20cfb-2f1f-776d-b0da-eec81c3ede90';
const key = await newKey();
const binding: Binding = {
  tenantId: 'team-1',
  brandId: 'brand-1',
  userId: 'user-1',
  connectionId: 'connection-1',
  provider: 'github',
  field: 'credential',
  version: 3,
  config: { shop: 'acme.myshopify.com', other: 'x' },
};

function newKey(bytes = crypto.getRandomValues(new Uint8Array(32))): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

test('what was sealed opens with the same key and binding', async () => {
  const secret = 'gho_ü 𝄞 and a line\nmore';
  const envelope = await seal(secret, key, keyId, binding);
  expect(await open(envelope, key, keyId, binding)).toBe(secret);
  expect(dataKeyIdOf(envelope)).toBe(keyId);
  expect(Buffer.from(envelope).includes(Buffer.from(secret))).toBe(false);
});

test('sealing twice gives two envelopes', async () => {
  expect(await seal('same', key, keyId, binding)).not.toEqual(await seal('same', key, keyId, binding));
});

describe('sealing again with another key', () => {
  const from = { id: keyId, key };

  test('keeps secret and binding, and the IV by which the sealing is known again', async () => {
    const to = { id: otherKeyId, key: await newKey() };
    const envelope = await seal('secret', key, keyId, binding);
    const again = await reseal(envelope, from, to, binding);
    expect(await open(again, to.key, to.id, binding)).toBe('secret');
    expect(dataKeyIdOf(again)).toBe(to.id);
    expect(again.slice(17, 29)).toEqual(envelope.slice(17, 29));
    expect(again.slice(29)).not.toEqual(envelope.slice(29));
    await expect(open(again, key, keyId, binding)).rejects.toThrow(EnvelopeError);
    await expect(open(again, to.key, to.id, { ...binding, version: 4 })).rejects.toThrow(EnvelopeError);
  });

  test('takes nothing that does not open where it stands', async () => {
    const to = { id: otherKeyId, key: await newKey() };
    const envelope = await seal('secret', key, keyId, binding);
    const elsewhere = { ...binding, tenantId: 'team-2' };
    await expect(reseal(envelope, from, to, elsewhere)).rejects.toThrow(EnvelopeError);
    await expect(reseal(envelope, to, from, binding)).rejects.toThrow(EnvelopeError);
    await expect(reseal(envelope, { ...from, key: to.key }, to, binding)).rejects.toThrow(EnvelopeError);
  });
});

test('what was sealed before the config was bound opens still, and is bound by the next sealing', async () => {
  const { config, ...rest } = binding;
  const first = await sealedByFirst('secret');
  expect(await open(first, key, keyId, binding)).toBe('secret');
  expect(await open(first, key, keyId, { ...rest, config: {} })).toBe('secret');
  const to = { id: otherKeyId, key: await newKey() };
  const again = await reseal(first, { id: keyId, key }, to, binding);
  expect(await open(again, to.key, to.id, binding)).toBe('secret');
  await expect(open(again, to.key, to.id, { ...rest, config: {} })).rejects.toThrow(EnvelopeError);
  // One of the second is none of the first, whatever its first byte says.
  await expect(open(Uint8Array.of(1, ...again.slice(1)), to.key, to.id, binding)).rejects.toThrow(
    EnvelopeError,
  );
  expect(config).toBeDefined();
});

/** As it was done until the second format. */
async function sealedByFirst(secret: string): Promise<Uint8Array> {
  const id = Buffer.from(keyId.replaceAll('-', ''), 'hex');
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const texts = ['team-1', 'brand-1', 'user-1', 'connection-1', 'github', 'credential', '3'];
  const additionalData = lengthPrefixed([Uint8Array.of(1), id, ...texts.map(toUtf8)]);
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData, tagLength: 128 },
    key,
    toUtf8(secret) as Uint8Array<ArrayBuffer>,
  );
  return Uint8Array.of(1, ...id, ...iv, ...new Uint8Array(sealed));
}

describe('an envelope does not open', () => {
  const elsewhere: Array<[string, Partial<Binding>]> = [
    ['in another team', { tenantId: 'team-2' }],
    ['in another brand', { brandId: 'brand-2' }],
    ['in no brand', { brandId: null }],
    ['for another user', { userId: 'user-2' }],
    ['in another row', { connectionId: 'connection-2' }],
    ['for another provider', { provider: 'slack' }],
    ['in another column', { field: 'refresh_token' }],
    ['in a newer version', { version: 4 }],
    ['where it would go to another host', { config: { shop: 'evil.myshopify.com', other: 'x' } }],
    ['where less is known of where it goes', { config: { shop: 'acme.myshopify.com' } }],
    [
      'where a name and its value share out their letters differently',
      { config: { sho: 'pacme', other: 'x' } },
    ],
    ['where two neighbours share out their letters differently', { tenantId: 'team-1b', brandId: 'rand-1' }],
  ];
  test.each(elsewhere)('%s', async (_, change) => {
    const envelope = await seal('secret', key, keyId, binding);
    await expect(open(envelope, key, keyId, { ...binding, ...change })).rejects.toThrow(EnvelopeError);
  });

  test('with another key, or under another key id', async () => {
    const envelope = await seal('secret', key, keyId, binding);
    await expect(open(envelope, await newKey(), keyId, binding)).rejects.toThrow(EnvelopeError);
    await expect(open(envelope, key, otherKeyId, binding)).rejects.toThrow(EnvelopeError);
  });

  test('with any byte changed', async () => {
    const envelope = await seal('secret', key, keyId, binding);
    // The key id inside is a hint for finding the key; the caller compares it, and the binding holds it, too.
    for (const at of [0, ...Array.from({ length: envelope.length - 17 }, (_, index) => index + 17)]) {
      const changed = Uint8Array.from(envelope);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(open(changed, key, keyId, binding), `byte ${at}`).rejects.toThrow(EnvelopeError);
    }
  });

  test('cut short, empty, or in an unknown format', async () => {
    const envelope = await seal('secret', key, keyId, binding);
    for (let length = 0; length < envelope.length; length += 1) {
      await expect(open(envelope.slice(0, length), key, keyId, binding)).rejects.toThrow(EnvelopeError);
    }
    expect(() => dataKeyIdOf(new Uint8Array())).toThrow(EnvelopeError);
    expect(() => dataKeyIdOf(Uint8Array.of(3, ...envelope.slice(1)))).toThrow(EnvelopeError);
  });
});

const vectors = process.env.VECTORS_DIR;

describe.runIf(vectors !== undefined)('AES-256-GCM of this runtime against Wycheproof', () => {
  interface Group {
    keySize: number;
    ivSize: number;
    tagSize: number;
    tests: Array<{
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }>;
  }
  const file =
    vectors === undefined ? '' : readFileSync(path.join(vectors, 'wycheproof-aes-256-gcm.json'), 'utf8');
  const groups = file === '' ? [] : (JSON.parse(file) as { groups: Group[] }).groups;
  const cases = groups
    .filter(({ ivSize, tagSize }) => ivSize === 96 && tagSize === 128)
    .flatMap(({ tests }) => tests);
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

  test(`all ${cases.length} tests with our IV and tag sizes come out as stated`, async () => {
    expect(cases.length).toBeGreaterThan(60);
    for (const each of cases) {
      const opened = await crypto.subtle
        .decrypt(
          { name: 'AES-GCM', iv: bytes(each.iv), additionalData: bytes(each.aad), tagLength: 128 },
          await newKey(bytes(each.key)),
          bytes(each.ct + each.tag),
        )
        .then((message) => Buffer.from(message).toString('hex'))
        .catch(() => 'refused');
      expect(opened, `tcId ${each.tcId}`).toBe(each.result === 'invalid' ? 'refused' : each.msg);
    }
  });
});
