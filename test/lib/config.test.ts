import { expect, test } from 'vitest';
import { providerSettings, readKmsConfig } from '../../lib/config.ts';

test('a newline behind a webhook secret, or another setting, is taken for a part of it', () => {
  const env = { GITHUB_APP_WEBHOOK_SECRET: 'made-up\n', GITHUB_CLIENT_ID: ' \n' };
  expect(providerSettings(env, 'github')).toEqual({ APP_WEBHOOK_SECRET: 'made-up' });
  const kms = { AWS_REGION: 'eu-central-1\n', AWS_ACCESS_KEY_ID: 'made-up\n', KMS_KEY_ID: 'alias/made-up\n' };
  expect(readKmsConfig({ ...kms, AWS_SECRET_ACCESS_KEY: 'made-up-too\r\n' })).toEqual({
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'made-up',
    AWS_SECRET_ACCESS_KEY: 'made-up-too',
    KMS_KEY_ID: 'alias/made-up',
  });
});
