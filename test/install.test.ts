import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { root } from './world/bundle.ts';

test('operators’ commands install packages with KMS and database secrets in the environment', () => {
  const directory = mkdtempSync(path.join(inject('directory'), 'install-'));
  mkdirSync(path.join(directory, 'node_modules'));
  writeFileSync(path.join(directory, 'package-lock.json'), '{}');
  const npm = path.join(directory, 'npm');
  writeFileSync(npm, '#!/bin/sh\nenv > seen\n');
  chmodSync(npm, 0o755);
  const secrets = {
    DATABASE_URL: 'postgres://secret-one',
    AWS_SECRET_ACCESS_KEY: 'secret-two',
    STATE_KEY: 'secret-three',
    SHOPIFY_CLIENT_SECRET: 'secret-four',
  };
  execFileSync(process.execPath, [path.join(root, 'test/install.mjs')], {
    cwd: directory,
    env: {
      ...secrets,
      PATH: `${directory}:${process.env.PATH}`,
      HOME: directory,
      npm_config_cache: 'kept',
    } as unknown as NodeJS.ProcessEnv,
  });
  const seen = readFileSync(path.join(directory, 'seen'), 'utf8');
  expect(seen).toContain('npm_config_cache=kept');
  expect(seen).not.toMatch(/secret/i);
  expect(existsSync(path.join(directory, 'node_modules/.installed-from'))).toBe(true);
});

test('lock entries have no integrity, or name the host that they came from', () => {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string; resolved?: string }>;
  };
  const odd = Object.entries(packages).filter(
    ([name, { integrity, resolved }]) => name !== '' && (!integrity?.startsWith('sha512-') || resolved),
  );
  expect(odd).toEqual([]);
});
