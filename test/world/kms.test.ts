import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
  type KMSClientConfig,
  ReEncryptCommand,
} from '@aws-sdk/client-kms';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Kms, startKms } from './kms.ts';
import { openStores } from './store.ts';

const region = 'eu-central-1';
const credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const KeyId = '1f2e3d4c-0000-4000-8000-000000000001';
const otherKeyId = '1f2e3d4c-0000-4000-8000-000000000002';
const arn = `arn:aws:kms:${region}:000000000000:key/${KeyId}`;
const EncryptionContext = { app: 'reeve-connectors', tenant: 'acme', generation: '1' };

let stores: ReturnType<typeof openStores>;
let kms: Kms;
const start = () =>
  startKms({ store: stores.of('kms'), region, ...credentials, keyIds: [KeyId, otherKeyId] });

beforeEach(async () => {
  stores = openStores(':memory:');
  kms = await start();
});

afterEach(async () => {
  await kms.close();
  stores.close();
});

function client(config: KMSClientConfig = {}): KMSClient {
  return new KMSClient({ region, credentials, endpoint: kms.url, maxAttempts: 1, ...config });
}

function generate(config?: KMSClientConfig) {
  return client(config).send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext }));
}

async function raw(headers: Record<string, string>, body = '{}') {
  const target = 'TrentService.DescribeKey';
  const response = await fetch(kms.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target, ...headers },
    body,
  });
  return { status: response.status, body: await response.json() };
}

describe('keys', () => {
  test('a generated data key opens with its context, whatever the order of its members', async () => {
    const made = await generate();
    expect(made.KeyId).toBe(arn);
    expect(made.Plaintext).toHaveLength(32);
    const reversed = Object.fromEntries(Object.entries(EncryptionContext).reverse());
    const opened = await client().send(
      new DecryptCommand({ CiphertextBlob: made.CiphertextBlob, EncryptionContext: reversed }),
    );
    expect(opened.Plaintext).toEqual(made.Plaintext);
    expect(opened).toMatchObject({ KeyId: arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
    expect(kms.calls).toEqual([
      { operation: 'GenerateDataKey', ok: true },
      { operation: 'Decrypt', ok: true },
    ]);
  });

  test('a restart keeps the keys', async () => {
    const made = await generate();
    await kms.close();
    kms = await start();
    const opened = await client().send(
      new DecryptCommand({ CiphertextBlob: made.CiphertextBlob, EncryptionContext }),
    );
    expect(opened.Plaintext).toEqual(made.Plaintext);
  });

  test('a key answers to its id, its ARN and its alias', async () => {
    for (const name of [KeyId, arn, `alias/${KeyId}`, arn.replace(':key/', ':alias/')]) {
      const { KeyMetadata } = await client().send(new DescribeKeyCommand({ KeyId: name }));
      expect(KeyMetadata).toMatchObject({ KeyId, Arn: arn, Enabled: true, KeyState: 'Enabled' });
      expect(Date.now() - (KeyMetadata?.CreationDate?.getTime() ?? 0)).toBeLessThan(60_000);
    }
  });

  test.each(['key/1f2e3d4c-0000-4000-8000-000000000003', 'alias/reeve'])(
    'of whatever account an operator has are made by their ARN: %s',
    async (name) => {
      await kms.close();
      const theirs = `arn:aws:kms:${region}:123456789012:${name}`;
      kms = await startKms({ store: stores.of('kms'), region, ...credentials, keyIds: [theirs] });
      const { KeyMetadata } = await client().send(new DescribeKeyCommand({ KeyId: theirs }));
      expect(KeyMetadata).toMatchObject({ AWSAccountId: '123456789012', Enabled: true });
    },
  );

  test('in another region than the calls go to are refused with what to set', async () => {
    const elsewhere = arn.replace(region, 'us-east-1');
    const starting = startKms({ store: stores.of('kms'), region, ...credentials, keyIds: [elsewhere] });
    await expect(starting).rejects.toThrow(/Set AWS_REGION to us-east-1/);
  });

  test('re-encryption moves a ciphertext to another key and context', async () => {
    const Plaintext = Buffer.from('secret');
    const sealed = await client().send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext }));
    const moved = await client().send(
      new ReEncryptCommand({
        CiphertextBlob: sealed.CiphertextBlob,
        SourceEncryptionContext: EncryptionContext,
        DestinationKeyId: otherKeyId,
        DestinationEncryptionContext: { moved: 'yes' },
      }),
    );
    const opened = await client().send(
      new DecryptCommand({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { moved: 'yes' } }),
    );
    expect(Buffer.from(opened.Plaintext ?? [])).toEqual(Plaintext);
    expect(moved.SourceKeyId).toBe(arn);
    expect(opened.KeyId).toBe(moved.KeyId);
  });

  test('re-encryption opens and wraps by the rules of both', async () => {
    const { CiphertextBlob } = await generate();
    const move = (input: Partial<ReEncryptCommand['input']> = {}) =>
      client().send(
        new ReEncryptCommand({
          CiphertextBlob,
          SourceKeyId: KeyId,
          SourceEncryptionContext: EncryptionContext,
          DestinationKeyId: otherKeyId,
          DestinationEncryptionContext: EncryptionContext,
          ...input,
        }),
      );
    expect(await move()).toMatchObject({
      SourceKeyId: arn,
      KeyId: arn.replace(KeyId, otherKeyId),
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    });
    await expect(move({ DestinationKeyId: KeyId })).resolves.toMatchObject({ KeyId: arn });
    const refusals: [Partial<ReEncryptCommand['input']>, string][] = [
      [{ SourceKeyId: otherKeyId }, 'IncorrectKeyException'],
      [{ SourceKeyId: 'nobody' }, 'NotFoundException'],
      [{ DestinationKeyId: 'nobody' }, 'NotFoundException'],
      [{ DestinationKeyId: undefined }, 'ValidationException'],
      [{ SourceEncryptionContext: { ...EncryptionContext, tenant: 'other' } }, 'InvalidCiphertextException'],
      [{ SourceEncryptionContext: undefined }, 'InvalidCiphertextException'],
      [{ CiphertextBlob: Buffer.from('no') }, 'InvalidCiphertextException'],
      [{ CiphertextBlob: new Uint8Array(6145) }, 'ValidationException'],
    ];
    for (const [input, name] of refusals) await expect(move(input), name).rejects.toMatchObject({ name });
    for (const key of [KeyId, otherKeyId]) {
      kms.faults.disable(key, true);
      await expect(move()).rejects.toMatchObject({ name: 'DisabledException' });
      kms.faults.disable(key, false);
    }
    await move();
  });

  test('another key may be made later, and is there after a restart', async () => {
    const made = kms.create('alias/next');
    expect(kms.create('next')).toBe(made);
    const { KeyMetadata } = await client().send(new DescribeKeyCommand({ KeyId: 'alias/next' }));
    expect(KeyMetadata).toMatchObject({ Arn: made, Enabled: true });
    const sealed = await client().send(new EncryptCommand({ KeyId: made, Plaintext: Buffer.from('secret') }));
    await kms.close();
    kms = await start();
    const opened = await client().send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }));
    expect(opened.KeyId).toBe(made);
  });

  test('a wrong context, a changed byte and a cut ciphertext are all the same invalid ciphertext', async () => {
    const { CiphertextBlob = new Uint8Array() } = await generate();
    const changed = Uint8Array.from(CiphertextBlob);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const renamed = Uint8Array.from(CiphertextBlob);
    renamed[5] = 0;
    const attempts = [
      { CiphertextBlob, EncryptionContext: { ...EncryptionContext, tenant: 'other' } },
      { CiphertextBlob },
      ...[
        changed,
        renamed,
        CiphertextBlob.subarray(0, 60),
        CiphertextBlob.subarray(0, 1),
        Buffer.from('no'),
      ].map((blob) => ({ CiphertextBlob: blob, EncryptionContext })),
    ];
    for (const attempt of attempts) {
      await expect(client().send(new DecryptCommand(attempt))).rejects.toMatchObject({
        name: 'InvalidCiphertextException',
        $metadata: { httpStatusCode: 400 },
      });
    }
  });

  test('a ciphertext of another key than the one asked for is refused', async () => {
    const { CiphertextBlob } = await generate();
    const decrypt = (name: string) =>
      client().send(new DecryptCommand({ CiphertextBlob, EncryptionContext, KeyId: name }));
    await expect(decrypt(otherKeyId)).rejects.toMatchObject({ name: 'IncorrectKeyException' });
    await expect(decrypt('nobody')).rejects.toMatchObject({ name: 'NotFoundException' });
    await expect(decrypt(arn.replace(region, 'us-east-1'))).rejects.toMatchObject({
      name: 'NotFoundException',
    });
    await expect(decrypt(arn)).resolves.toMatchObject({ KeyId: arn });
  });

  test('what is too long, too short or too much is a validation error', async () => {
    const refused = { name: 'ValidationException' };
    const data = (input: Partial<GenerateDataKeyCommand['input']>) =>
      client().send(new GenerateDataKeyCommand({ KeyId, ...input }));
    await expect(data({})).rejects.toMatchObject(refused);
    await expect(data({ KeySpec: 'AES_128', NumberOfBytes: 16 })).rejects.toMatchObject(refused);
    await expect(data({ NumberOfBytes: 1025 })).rejects.toMatchObject(refused);
    expect((await data({ NumberOfBytes: 1024 })).Plaintext).toHaveLength(1024);
    expect((await data({ KeySpec: 'AES_128' })).Plaintext).toHaveLength(16);
    const encrypt = (length: number) =>
      client().send(new EncryptCommand({ KeyId, Plaintext: new Uint8Array(length) }));
    await expect(encrypt(4097)).rejects.toMatchObject(refused);
    await expect(encrypt(4096)).resolves.toMatchObject({ KeyId: arn });
  });
});

describe('signatures', () => {
  test('a wrong secret is an invalid signature, a wrong access key an unknown client', async () => {
    await expect(
      generate({ credentials: { ...credentials, secretAccessKey: 'wrong' } }),
    ).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    });
    await expect(
      generate({ credentials: { ...credentials, accessKeyId: 'AKIDOTHER' } }),
    ).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
  });

  test('a signature for another region is refused', async () => {
    await expect(generate({ region: 'us-east-1' })).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    });
  });

  test('a signature made more than five minutes ago, or later than that, is refused', async () => {
    for (const [minutes, message] of [
      [-6, /^Signature expired: /],
      [6, /^Signature not yet current: /],
    ] as const) {
      await expect(generate({ systemClockOffset: minutes * 60_000 })).rejects.toMatchObject({
        name: 'InvalidSignatureException',
        message: expect.stringMatching(message),
      });
    }
    await expect(generate({ systemClockOffset: -4 * 60_000 })).resolves.toMatchObject({ KeyId: arn });
  });

  test('a body other than the one signed is refused', async () => {
    const aws = client();
    aws.middlewareStack.add(
      (next) => (args) => {
        Object.assign(args.request as object, { body: JSON.stringify({ KeyId: otherKeyId }) });
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    const description = aws.send(new DescribeKeyCommand({ KeyId: KeyId }));
    await expect(description).rejects.toMatchObject({ name: 'InvalidSignatureException' });
  });

  test('no signature, an unknown operation and half a signature have their own refusals', async () => {
    expect(await raw({})).toMatchObject({
      status: 400,
      body: { __type: 'MissingAuthenticationTokenException' },
    });
    expect(await raw({ 'x-amz-target': 'TrentService.Nothing' })).toMatchObject({
      status: 400,
      body: { __type: 'UnknownOperationException' },
    });
    expect(await raw({ authorization: 'AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request' })).toMatchObject({
      body: { __type: 'IncompleteSignatureException' },
    });
  });

  test('a signed body that is not JSON, or of the wrong types, is a serialization error', async () => {
    for (const body of ['{', '[]', '{"KeyId":1}']) {
      const aws = client();
      aws.middlewareStack.add(
        (next) => (args) => {
          Object.assign(args.request as object, { body });
          return next(args);
        },
        { step: 'build', priority: 'high' },
      );
      const description = aws.send(new DescribeKeyCommand({ KeyId }));
      await expect(description).rejects.toMatchObject({ name: 'SerializationException' });
    }
  });
});

describe('faults', () => {
  test('throttling shows as ThrottlingException, and passes', async () => {
    kms.faults.throttle(1);
    await expect(generate()).rejects.toMatchObject({
      name: 'ThrottlingException',
      $metadata: { httpStatusCode: 400 },
    });
    await generate();
    kms.faults.throttle(2);
    await generate({ maxAttempts: 3 });
    expect(kms.calls.map((call) => call.ok)).toEqual([false, true, false, false, true]);
  });

  test('a fault of its own is an internal exception', async () => {
    kms.faults.fail(1, 'KMSInternalException');
    await expect(generate()).rejects.toMatchObject({
      name: 'KMSInternalException',
      $metadata: { httpStatusCode: 500 },
    });
  });

  test('a disabled key neither wraps nor opens, and says that it is disabled', async () => {
    const { CiphertextBlob } = await generate();
    kms.faults.disable(KeyId, true);
    await expect(generate()).rejects.toMatchObject({ name: 'DisabledException' });
    const decrypt = () => client().send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
    await expect(decrypt()).rejects.toMatchObject({ name: 'DisabledException' });
    const { KeyMetadata } = await client().send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata).toMatchObject({ Enabled: false, KeyState: 'Disabled' });
    kms.faults.disable(KeyId, false);
    await decrypt();
  });

  test('when it is down no call gets through, and after that every call does', async () => {
    const aws = client();
    await aws.send(new DescribeKeyCommand({ KeyId }));
    kms.faults.down(true);
    await expect(aws.send(new DescribeKeyCommand({ KeyId }))).rejects.toThrow(/ECONNRESET|socket hang up/);
    kms.faults.reset();
    await aws.send(new DescribeKeyCommand({ KeyId }));
    expect(kms.calls).toHaveLength(1);
  });

  test('a delay holds every answer back', async () => {
    kms.faults.delay(100);
    const started = performance.now();
    await generate();
    expect(performance.now() - started).toBeGreaterThan(90);
  });
});
