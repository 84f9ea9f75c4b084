import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.ts';

export interface Credentials {
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

const SKEW_MS = 5 * 60_000;

/**
 * Signature Version 4 in the Authorization header
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The path is
 * `/` and there is no query: the caller has refused everything else.
 */
export function verifySignature(
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
