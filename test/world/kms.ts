import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
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
  close(): Promise<void>;
}

interface Credentials {
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

interface Key {
  id: string;
  material: string;
  createdAt: number;
}

const ACCOUNT = '000000000000';
const CONTENT_TYPE = 'application/x-amz-json-1.1';
const BODY_LIMIT = 1_000_000;
const CALLS_KEPT = 10_000;
const SKEW_MS = 5 * 60_000;
const BLOB_VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Symmetric keys of AWS KMS over its JSON 1.1 protocol
 * (https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html). Keys are made at the first start and
 * kept in `store`, so that what was wrapped before a restart opens after it. Grants, policies and session
 * tokens are not pretended: one access key may do everything.
 */
export async function startKms(
  options: Credentials & { store: Store; keyIds: string[]; port?: number },
): Promise<Kms> {
  const { store, region } = options;
  const arnPrefix = `arn:aws:kms:${region}:${ACCOUNT}:`;
  const arnOf = (key: Key) => `${arnPrefix}key/${key.id}`;
  for (const name of options.keyIds) {
    const id = idOf(name, arnPrefix);
    if (store.get(`key/${id}`) !== undefined) continue;
    const key: Key = { id, material: randomBytes(32).toString('base64'), createdAt: Date.now() };
    store.set(`key/${id}`, key);
  }
  const keys = new Map(store.list<Key>('key/').map((key) => [key.id, key]));

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
          AWSAccountId: ACCOUNT,
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
    verifySignature(request, body, options, Date.now());
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
    response.writeHead(status, { 'content-type': CONTENT_TYPE, 'x-amzn-requestid': randomUUID() });
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

class Refusal extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message?: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

type Context = Record<string, string>;

const KeyId = z.string().min(1).max(2048);
const EncryptionContext = z.record(z.string(), z.string()).default({});
const EncryptionAlgorithm = z.literal('SYMMETRIC_DEFAULT').optional();
const blob = (limit: number) =>
  z
    .base64()
    .transform((text) => Buffer.from(text, 'base64'))
    .refine((bytes) => bytes.length >= 1 && bytes.length <= limit, {
      error: `Member must have length less than or equal to ${limit} and greater than or equal to 1`,
    });

const GenerateDataKey = z
  .object({
    KeyId,
    EncryptionContext,
    KeySpec: z.enum(['AES_256', 'AES_128']).optional(),
    NumberOfBytes: z.int().min(1).max(1024).optional(),
  })
  .refine((input) => (input.KeySpec === undefined) !== (input.NumberOfBytes === undefined), {
    error: 'Please specify either number of bytes or key spec.',
  });
const Encrypt = z.object({ KeyId, EncryptionContext, EncryptionAlgorithm, Plaintext: blob(4096) });
const Decrypt = z.object({
  KeyId: KeyId.optional(),
  EncryptionContext,
  EncryptionAlgorithm,
  CiphertextBlob: blob(6144),
});
const ReEncrypt = z.object({
  CiphertextBlob: blob(6144),
  SourceKeyId: KeyId.optional(),
  SourceEncryptionContext: EncryptionContext,
  SourceEncryptionAlgorithm: EncryptionAlgorithm,
  DestinationKeyId: KeyId,
  DestinationEncryptionContext: EncryptionContext,
  DestinationEncryptionAlgorithm: EncryptionAlgorithm,
});
const DescribeKey = z.object({ KeyId });

function operation<Input>(
  name: string,
  schema: z.ZodType<Input>,
  run: (input: Input) => object,
): [string, (body: unknown) => object] {
  return [
    name,
    (body) => {
      const input = schema.safeParse(body);
      if (input.success) return run(input.data);
      const issue = input.error.issues[0];
      const path = issue?.path.map(String) ?? [];
      // A value of the wrong type does not get past KMS's parser; a missing or unfitting one does not get
      // past its validation.
      const isUnreadable = issue?.code === 'invalid_type' && (path.length === 0 || has(body, path));
      if (isUnreadable || issue?.code === 'invalid_format') throw new Refusal('SerializationException');
      if (path.length === 0) throw new Refusal('ValidationException', issue?.message);
      const member = path.join('.').replace(/^./, (letter) => letter.toLowerCase());
      throw new Refusal(
        'ValidationException',
        `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${issue?.message}`,
      );
    },
  ];
}

function has(body: unknown, path: string[]): boolean {
  let value = body;
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return false;
    value = Object.entries(value).find(([key]) => key === name)?.[1];
  }
  return value !== undefined;
}

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

/** The id in a key id, a key's or an alias's ARN, or an alias; every key has the alias `alias/<id>`. */
function idOf(name: string, arnPrefix: string): string {
  if (name.startsWith('alias/')) return name.slice('alias/'.length);
  if (!name.startsWith('arn:')) return name;
  if (!name.startsWith(arnPrefix)) {
    throw new Refusal('NotFoundException', `Invalid arn ${name.split(':')[3] ?? ''}`);
  }
  return name.slice(arnPrefix.length).replace(/^(key|alias)\//, '');
}

/** Version, length of the key id, key id, IV, tag, ciphertext. The real format is AWS's secret. */
function seal(key: Key, plaintext: Buffer, context: Context): Buffer {
  const id = Buffer.from(key.id);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.material, 'base64'), iv);
  cipher.setAAD(additionalData(key.id, context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(BLOB_VERSION, id.length), id, iv, cipher.getAuthTag(), ciphertext]);
}

function unseal(key: Key, sealed: Buffer, context: Context): Buffer {
  const rest = sealed.subarray(2 + Buffer.byteLength(key.id));
  if (rest.length <= IV_BYTES + TAG_BYTES) throw new Refusal('InvalidCiphertextException');
  const material = Buffer.from(key.material, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', material, rest.subarray(0, IV_BYTES));
  decipher.setAAD(additionalData(key.id, context));
  decipher.setAuthTag(rest.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(rest.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    throw new Refusal('InvalidCiphertextException');
  }
}

function keyIdIn(sealed: Buffer): string {
  if (sealed[0] !== BLOB_VERSION) throw new Refusal('InvalidCiphertextException');
  return sealed.subarray(2, 2 + (sealed[1] ?? 0)).toString();
}

function additionalData(keyId: string, context: Context): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([BLOB_VERSION, keyId, pairs]));
}

/**
 * Signature Version 4 in the Authorization header
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The path is
 * `/` and there is no query: the caller has refused everything else.
 */
function verifySignature(
  request: IncomingMessage,
  body: Buffer,
  credentials: Credentials,
  now: number,
): void {
  const { region, accessKeyId, secretAccessKey } = credentials;
  const [scheme, fields] = (request.headers.authorization ?? '').split(/ (.*)/s);
  if (scheme !== 'AWS4-HMAC-SHA256') {
    throw new Refusal('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const field = (name: string): string => {
    const value = fields?.match(new RegExp(`(?:^|[, ])${name}=([^, ]+)`))?.[1];
    if (value === undefined) {
      throw new Refusal('IncompleteSignatureException', `Authorization header requires '${name}' parameter.`);
    }
    return value;
  };
  const scope = field('Credential').split('/');
  const signed = field('SignedHeaders').split(';').sort();
  const signature = field('Signature');
  const [keyId, day, scopeRegion, service, terminator] = scope;
  const date = String(request.headers['x-amz-date'] ?? '');
  const time = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (!time || scope.length !== 5) {
    const what = time ? 'Credential must have exactly 5 slash-delimited elements' : "'X-Amz-Date' is needed";
    throw new Refusal('IncompleteSignatureException', what);
  }

  if (keyId !== accessKeyId || request.headers['x-amz-security-token'] !== undefined) {
    throw new Refusal(
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
  }
  const invalid = (message: string) => new Refusal('InvalidSignatureException', message);
  if (scopeRegion !== region) throw invalid('Credential should be scoped to a valid region.');
  if (service !== 'kms') throw invalid("Credential should be scoped to correct service: 'kms'.");
  if (terminator !== 'aws4_request')
    throw invalid("Credential should be scoped with a valid terminator: 'aws4_request'.");
  if (day !== date.slice(0, 8)) {
    throw invalid(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: ${date}`,
    );
  }
  const [, year, month, dayOfMonth, hour, minute, second] = time.map(Number);
  const signedAt = Date.UTC(year ?? 0, (month ?? 0) - 1, dayOfMonth, hour, minute, second);
  if (signedAt < now - SKEW_MS) {
    throw invalid(
      `Signature expired: ${date} is now earlier than ${basic(now - SKEW_MS)} (${basic(now)} - 5 min.)`,
    );
  }
  if (signedAt > now + SKEW_MS) {
    throw invalid(
      `Signature not yet current: ${date} is still later than ${basic(now + SKEW_MS)} (${basic(now)} + 5 min.)`,
    );
  }
  for (const name of Object.keys(request.headers)) {
    if ((name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name)) {
      throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
    }
  }

  const lines = signed.map((name) => {
    const values = request.headersDistinct[name] ?? [];
    return `${name}:${values.map((value) => value.trim().replace(/ +/g, ' ')).join(',')}\n`;
  });
  const canonical = [request.method, '/', '', lines.join(''), signed.join(';'), sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', date, scope.slice(1).join('/'), sha256(canonical)].join('\n');
  const signingKey = [day, region, 'kms', 'aws4_request'].reduce<Buffer | string>(
    hmac,
    `AWS4${secretAccessKey}`,
  );
  if (hmac(signingKey, toSign).toString('hex') !== signature) {
    throw invalid(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret ' +
        'Access Key and signing method. Consult the service documentation for details.',
    );
  }
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer | string, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** ISO 8601 basic format, as in X-Amz-Date. */
function basic(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
}
