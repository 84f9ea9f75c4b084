import path from 'node:path';
import { expect, test } from 'vitest';
import { experimental_readRawConfig } from 'wrangler';
import { root } from './world/bundle.ts';

const { rawConfig } = experimental_readRawConfig({ config: path.join(root, 'wrangler.toml') });

test('our own address of the platform’s and previews of old versions stay callable with production’s secrets', () => {
  expect([rawConfig.workers_dev, rawConfig.preview_urls]).toEqual([false, false]);
});

test('requests of ours may come to what else this account has behind the same zone, unseen by its front door', () => {
  expect(rawConfig.compatibility_flags).toContain('global_fetch_strictly_public');
});
