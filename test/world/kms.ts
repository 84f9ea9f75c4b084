import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, type Key, keyIdIn, seal, unseal } from './kms/ciphertext.ts';
import { Decrypt, DescribeKey, Encrypt, GenerateDataKey, operation, ReEncrypt } from './kms/messages.ts';
import { Refusal } from './kms/refusal.ts';
import { type Credentials, verifySignature } from './kms/signature.ts';
import type { Store } from './store.ts';

/** How a test makes KMS misbehave. */
export interface KmsFaults {
  /** The next `n` calls are refused with ThrottlingException. */
  throttle(n: number): void;
  /** The next `n` calls fail the way KMS fails when the fault is its own, or the key's state is. */
  fail(
    n: number,
    type: 'KMSInternalException' | 'DependencyTimeoutException' | 'KMSInvalidStateException',
  ): void;
  /** Nobody answers: open connections break, new ones are closed at once. */
  down(isDown: boolean): void;
  disable(keyId: string, isDisabled: boolean): void;
  /** Every answer waits this long. */
  delay(ms: number): void;
  /** Ends all faults and forgets `calls`. */
  reset(): void;
}

export interface Kms {
  url: string;
  /** The last 10,000 calls, refused ones too. */
  calls: Array<{ operation: string; ok: boolean }>;
  faults: KmsFaults;
  /** Makes another key, as its owner does in the console; gives its ARN. One that stands already stays. */
  create(name: string): string;
  close(): Promise<void>;
}

const ACCOUNT = '000000000000';
const CONTENT_TYPE = 'application/x-amz-json-1.1';
const BODY_LIMIT = 1_000_000;
const CALLS_KEPT = 10_000;

/**
 * Symmetric keys of AWS KMS over its JSON 1.1 protocol
 * (https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html). Keys are made at the first start and
 * kept in `store`, so that what was wrapped before a restart opens after it; an id may be a key's or an alias's ARN. Grants, policies and session
 * tokens are not pretended: one access key may do everything.
 */
export async function startKms(
  options: Credentials & { store: Store; keyIds: string[]; port?: number; now?: () => number },
): Promise<Kms> {
  const { store, region, now = Date.now } = options;
  const account = accountOf(options.keyIds, region);
  const arnPrefix = `arn:aws:kms:${region}:${account}:`;
  const arnOf = (key: Key) => `${arnPrefix}key/${key.id}`;
  const keys = new Map(store.list<Key>('key/').map((key) => [key.id, key]));

  function create(name: string): string {
    const id = idOf(name, arnPrefix);
    const key = keys.get(id) ?? { id, material: randomBytes(32).toString('base64'), createdAt: now() };
    store.set(`key/${id}`, key);
    keys.set(id, key);
    return arnOf(key);
  }
  for (const name of options.keyIds) create(name);

  const calls: Kms['calls'] = [];
  const disabled = new Set<string>();
  let refusals: Refusal[] = [];
  let isDown = false;
  let delayMs = 0;

  function find(name: string): Key {
    const key = keys.get(idOf(name, arnPrefix));
    if (key) return key;
    const message = name.includes('alias/')
      ? `Alias ${name.startsWith('arn:') ? name : arnPrefix + name} is not found.`
      : `Key '${name.startsWith('arn:') ? name : `${arnPrefix}key/${name}`}' does not exist`;
    throw new Refusal('NotFoundException', message);
  }

  function enabled(key: Key): Key {
    if (disabled.has(key.id)) throw new Refusal('DisabledException', `${arnOf(key)} is disabled.`);
    return key;
  }

  function opened(
    blob: Buffer,
    context: Context,
    keyId: string | undefined,
  ): { key: Key; plaintext: Buffer } {
    const expected = keyId === undefined ? undefined : find(keyId);
    const key = keys.get(keyIdIn(blob));
    if (!key) throw new Refusal('InvalidCiphertextException');
    if (expected && expected !== key) {
      throw new Refusal(
        'IncorrectKeyException',
        'The key ID in the request does not identify a CMK that can perform this operation.',
      );
    }
    return { key, plaintext: unseal(enabled(key), blob, context) };
  }

  const operations = new Map<string, (body: unknown) => object>([
    operation('GenerateDataKey', GenerateDataKey, (input) => {
      const key = enabled(find(input.KeyId));
      const plaintext = randomBytes(input.NumberOfBytes ?? (input.KeySpec === 'AES_128' ? 16 : 32));
      return {
        CiphertextBlob: seal(key, plaintext, input.EncryptionContext).toString('base64'),
        Plaintext: plaintext.toString('base64'),
        KeyId: arnOf(key),
      };
    }),
    operation('Encrypt', Encrypt, (input) => {
      const key = enabled(find(input.KeyId));
      return {
        CiphertextBlob: seal(key, input.Plaintext, input.EncryptionContext).toString('base64'),
        KeyId: arnOf(key),
        EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      };
    }),
    operation('Decrypt', Decrypt, (input) => {
      const { key, plaintext } = opened(input.CiphertextBlob, input.EncryptionContext, input.KeyId);
      return {
        KeyId: arnOf(key),
        Plaintext: plaintext.toString('base64'),
        EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      };
    }),
    operation('ReEncrypt', ReEncrypt, (input) => {
      const source = opened(input.CiphertextBlob, input.SourceEncryptionContext, input.SourceKeyId);
      const key = enabled(find(input.DestinationKeyId));
      return {
        CiphertextBlob: seal(key, source.plaintext, input.DestinationEncryptionContext).toString('base64'),
        SourceKeyId: arnOf(source.key),
        KeyId: arnOf(key),
        SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
        DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      };
    }),
    operation('DescribeKey', DescribeKey, (input) => {
      const key = find(input.KeyId);
      const isEnabled = !disabled.has(key.id);
      return {
        KeyMetadata: {
          AWSAccountId: account,
          Arn: arnOf(key),
          CreationDate: key.createdAt / 1000,
          CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
          Description: '',
          Enabled: isEnabled,
          EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
          KeyId: key.id,
          KeyManager: 'CUSTOMER',
          KeySpec: 'SYMMETRIC_DEFAULT',
          KeyState: isEnabled ? 'Enabled' : 'Disabled',
          KeyUsage: 'ENCRYPT_DECRYPT',
          MultiRegion: false,
          Origin: 'AWS_KMS',
        },
      };
    }),
  ]);

  async function answer(request: IncomingMessage, target: string): Promise<object> {
    const body = await bodyOf(request);
    await sleep(delayMs);
    const run = target.startsWith('TrentService.') ? operations.get(operationIn(target)) : undefined;
    const isCall = request.method === 'POST' && request.url === '/';
    if (!run || !isCall || request.headers['content-type'] !== CONTENT_TYPE) {
      throw new Refusal('UnknownOperationException');
    }
    verifySignature(request, body, options, now());
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    return run(parsed(body));
  }

  const server = createServer(async (request, response) => {
    const target = String(request.headers['x-amz-target'] ?? '');
    let status = 200;
    let body: object;
    try {
      body = await answer(request, target);
    } catch (error) {
      if (isDown || response.destroyed) return void request.socket.destroy();
      const refusal =
        error instanceof Refusal ? error : new Refusal('KMSInternalException', String(error), 500);
      status = refusal.status;
      body = { __type: refusal.type, ...(refusal.message !== '' && { message: refusal.message }) };
    }
    calls.push({ operation: operationIn(target), ok: status === 200 });
    if (calls.length > CALLS_KEPT) calls.shift();
    response.writeHead(status, {
      'content-type': CONTENT_TYPE,
      // The SDK sets its own clock by it.
      date: new Date(now()).toUTCString(),
      'x-amzn-requestid': randomUUID(),
    });
    response.end(JSON.stringify(body));
  });
  server.on('connection', (socket) => {
    if (isDown) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('KMS has no port');

  const refuse = (n: number, refusal: Refusal) => {
    refusals = [...refusals, ...Array.from({ length: n }, () => refusal)];
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    create,
    faults: {
      throttle: (n) => refuse(n, new Refusal('ThrottlingException', 'Rate exceeded')),
      fail: (n, type) => refuse(n, new Refusal(type, undefined, FAULT_STATUS[type])),
      down(value) {
        isDown = value;
        if (isDown) server.closeAllConnections();
      },
      disable(keyId, isDisabled) {
        const { id } = find(keyId);
        if (isDisabled) disabled.add(id);
        else disabled.delete(id);
      },
      delay(ms) {
        delayMs = ms;
      },
      reset() {
        refusals = [];
        disabled.clear();
        isDown = false;
        delayMs = 0;
        calls.length = 0;
      },
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Statuses from https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors */
const FAULT_STATUS = {
  KMSInternalException: 500,
  DependencyTimeoutException: 503,
  KMSInvalidStateException: 400,
};

function operationIn(target: string): string {
  return target.replace(/^TrentService\./, '');
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refusal('RequestEntityTooLargeException', undefined, 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A member that is null is a member that is not there. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString(), (_, value: unknown) => (value === null ? undefined : value));
  } catch {
    throw new Refusal('SerializationException');
  }
}

/** The account whose keys these are: the one that their ARNs name, where they are ARNs. */
function accountOf(keyIds: readonly string[], region: string): string {
  for (const id of keyIds) {
    const [, where, account] = /^arn:[\w-]+:kms:([\w-]+):(\d{12}):/.exec(id) ?? [];
    if (where !== undefined && where !== region) {
      throw new Error(`${id} is a key in ${where}, and AWS_REGION is ${region}. Set AWS_REGION to ${where}.`);
    }
    if (account !== undefined) return account;
  }
  return ACCOUNT;
}

/** The id in a key id, a key's or an alias's ARN, or an alias; every key has the alias `alias/<id>`. */
function idOf(name: string, arnPrefix: string): string {
  if (name.startsWith('alias/')) return name.slice('alias/'.length);
  if (!name.startsWith('arn:')) return name;
  if (!name.startsWith(arnPrefix)) {
    throw new Refusal('NotFoundException', `Invalid arn ${name.split(':')[3] ?? ''}`);
  }
  return name.slice(arnPrefix.length).replace(/^(key|alias)\//, '');
}
