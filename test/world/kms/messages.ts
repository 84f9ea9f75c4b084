import { z } from 'zod';
import { Refusal } from './refusal.ts';

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

export const GenerateDataKey = z
  .object({
    KeyId,
    EncryptionContext,
    KeySpec: z.enum(['AES_256', 'AES_128']).optional(),
    NumberOfBytes: z.int().min(1).max(1024).optional(),
  })
  .refine((input) => (input.KeySpec === undefined) !== (input.NumberOfBytes === undefined), {
    error: 'Please specify either number of bytes or key spec.',
  });
export const Encrypt = z.object({ KeyId, EncryptionContext, EncryptionAlgorithm, Plaintext: blob(4096) });
export const Decrypt = z.object({
  KeyId: KeyId.optional(),
  EncryptionContext,
  EncryptionAlgorithm,
  CiphertextBlob: blob(6144),
});
export const ReEncrypt = z.object({
  CiphertextBlob: blob(6144),
  SourceKeyId: KeyId.optional(),
  SourceEncryptionContext: EncryptionContext,
  SourceEncryptionAlgorithm: EncryptionAlgorithm,
  DestinationKeyId: KeyId,
  DestinationEncryptionContext: EncryptionContext,
  DestinationEncryptionAlgorithm: EncryptionAlgorithm,
});
export const DescribeKey = z.object({ KeyId });

/** An operation by its name: reads its input as KMS would, then runs. */
export function operation<Input>(
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
