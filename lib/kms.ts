import {
  DecryptCommand,
  DescribeKeyCommand,
  GenerateDataKeyCommand,
  KMSClient,
  KMSServiceException,
  ReEncryptCommand,
} from '@aws-sdk/client-kms';
import type { KmsConfig } from './config.ts';
import type { Meter } from './meter.ts';
import { unavailable } from './problem.ts';

const DEADLINE_MS = 2_000;
const ATTEMPTS = 3;

/** What KMS binds a data key to: opening it with any other context fails. */
export interface EncryptionContext {
  app: 'reeve-connectors';
  tenant: string;
  data_key: string;
}

export interface Kms {
  generateDataKey(
    context: EncryptionContext,
  ): Promise<{ plaintext: Uint8Array; wrapped: Uint8Array; kmsKeyId: string }>;
  /** Unwraps what `kmsKeyId` has wrapped; what another KMS key has is refused, whoever owns that. */
  decrypt(wrapped: Uint8Array, kmsKeyId: string, context: EncryptionContext): Promise<Uint8Array>;
  /** Wraps with our KMS key what `kmsKeyId` has wrapped; the data key does not leave KMS. */
  reEncrypt(
    wrapped: Uint8Array,
    kmsKeyId: string,
    context: EncryptionContext,
  ): Promise<{ wrapped: Uint8Array; kmsKeyId: string }>;
  /** The KMS key by its ARN, as KMS names it wherever it has used it; the setting may be an alias. */
  keyArn(): Promise<string>;
  /** Whether the KMS key answers and is enabled. */
  isEnabled(): Promise<boolean>;
}

/** Thrown where KMS says that this wrapped key is not what it is taken for. */
export class KmsRefusal extends Error {}

const REFUSALS = ['InvalidCiphertextException', 'IncorrectKeyException'];

const clients = new WeakMap<KmsConfig, KMSClient>();

/**
 * AWS KMS (https://docs.aws.amazon.com/kms/latest/APIReference/): two seconds a call, three tries, throttling
 * (HTTP 400 at KMS) included. Failures become the problem `unavailable`; a wrapped key that does not open
 * becomes `KmsRefusal`.
 */
export function kms(config: KmsConfig, meter: Meter): Kms {
  let client = clients.get(config);
  if (!client) {
    client = new KMSClient({
      region: config.AWS_REGION,
      credentials: { accessKeyId: config.AWS_ACCESS_KEY_ID, secretAccessKey: config.AWS_SECRET_ACCESS_KEY },
      maxAttempts: ATTEMPTS,
      requestHandler: { requestTimeout: DEADLINE_MS, throwOnRequestTimeout: true },
      ...(config.AWS_ENDPOINT_URL_KMS !== undefined && { endpoint: config.AWS_ENDPOINT_URL_KMS }),
    });
    clients.set(config, client);
  }
  const aws = client;

  const ask = async <T>(call: () => Promise<T>, refusals = REFUSALS): Promise<T> => {
    meter.kms += 1;
    try {
      return await call();
    } catch (error) {
      const name = error instanceof KMSServiceException ? error.name : 'no answer';
      if (refusals.includes(name)) throw new KmsRefusal(name);
      throw unavailable(`kms: ${name}`);
    }
  };

  return {
    generateDataKey: (context) =>
      ask(async () => {
        const answer = await aws.send(
          new GenerateDataKeyCommand({
            KeyId: config.KMS_KEY_ID,
            KeySpec: 'AES_256',
            EncryptionContext: { ...context },
          }),
        );
        if (!answer.Plaintext || !answer.CiphertextBlob || !answer.KeyId)
          throw new Error('incomplete answer');
        return { plaintext: answer.Plaintext, wrapped: answer.CiphertextBlob, kmsKeyId: answer.KeyId };
      }),
    decrypt: (wrapped, kmsKeyId, context) =>
      ask(
        async () => {
          const answer = await aws.send(
            new DecryptCommand({
              CiphertextBlob: wrapped,
              KeyId: kmsKeyId,
              EncryptionContext: { ...context },
            }),
          );
          if (!answer.Plaintext) throw new Error('incomplete answer');
          return answer.Plaintext;
        },
        // A row alone names the key here: that there is none such is that row's fault, and no outage.
        [...REFUSALS, 'NotFoundException'],
      ),
    reEncrypt: (wrapped, kmsKeyId, context) =>
      ask(async () => {
        const answer = await aws.send(
          new ReEncryptCommand({
            CiphertextBlob: wrapped,
            SourceKeyId: kmsKeyId,
            SourceEncryptionContext: { ...context },
            DestinationKeyId: config.KMS_KEY_ID,
            DestinationEncryptionContext: { ...context },
          }),
        );
        if (!answer.CiphertextBlob || !answer.KeyId) throw new Error('incomplete answer');
        return { wrapped: answer.CiphertextBlob, kmsKeyId: answer.KeyId };
      }),
    keyArn: () =>
      ask(async () => {
        const answer = await aws.send(new DescribeKeyCommand({ KeyId: config.KMS_KEY_ID }));
        if (!answer.KeyMetadata?.Arn) throw new Error('incomplete answer');
        return answer.KeyMetadata.Arn;
      }),
    isEnabled: () =>
      ask(async () => {
        const answer = await aws.send(new DescribeKeyCommand({ KeyId: config.KMS_KEY_ID }));
        return answer.KeyMetadata?.Enabled === true;
      }),
  };
}
