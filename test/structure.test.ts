import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { endpoints } from '../functions/endpoints.ts';
import { alternatives, providers } from '../providers/index.ts';
import { root } from './world/bundle.ts';
import { simulators } from './world/providers/index.ts';

const files = globSync('{functions,lib,providers}/**/*.{ts,tsx}', { cwd: root }).filter(
  (file) => !file.endsWith('.d.ts'),
);
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** What a file imports: paths from the project's root, or names of packages. */
const importsOf = (file: string) =>
  [...read(file).matchAll(/from '([^']+)'/g)].map(([, target = '']) =>
    target.startsWith('.') ? path.join(path.dirname(file), target) : target,
  );

const layer = (file: string) => file.split('/')[0] ?? '';
const below: Record<string, string[]> = {
  functions: ['functions', 'lib', 'providers'],
  lib: ['lib', 'providers'],
  providers: ['providers'],
};

test('imports go from functions to lib to providers, and never back', () => {
  expect(files.length).toBeGreaterThan(40);
  for (const file of files) {
    const targets = importsOf(file).filter((target) => layer(target) in below);
    for (const target of targets)
      expect(below[layer(file)], `${file} imports ${target}`).toContain(layer(target));
  }
});

test('a provider’s file imports nothing but ./provider.ts, zod and files of its own', () => {
  for (const file of files.filter(
    (each) => layer(each) === 'providers' && !/\/(index|provider)\.ts$/.test(each),
  )) {
    const whose = providers.find(({ id }) => path.basename(file).startsWith(id.replaceAll('_', '-')))?.id;
    const prefix = `providers/${whose?.replaceAll('_', '-')}`;
    const own = importsOf(file).filter((target) => whose !== undefined && target.startsWith(`${prefix}-`));
    expect(['providers/provider.ts', 'zod', ...own], file).toEqual(expect.arrayContaining(importsOf(file)));
  }
});

test('no two files of lib or functions import each other in a circle', () => {
  const done = new Set<string>();
  const visit = (file: string, trail: string[]) => {
    expect(trail, 'circle').not.toContain(file);
    if (done.has(file) || !files.includes(file)) return;
    for (const target of importsOf(file)) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('no provider is named in lib or functions', () => {
  const named = new RegExp(`['"\`](${providers.map(({ id }) => id).join('|')})['"\`]`, 'i');
  for (const file of files.filter((each) => layer(each) !== 'providers'))
    expect(read(file), file).not.toMatch(named);
});

test('arctic, oslo, jose and the KMS client are each imported by one file of lib', () => {
  for (const name of ['arctic', 'oslo', 'jose', '@aws-sdk/client-kms']) {
    const importers = files.filter((file) =>
      importsOf(file).some((target) => target === name || target.startsWith(`${name}/`)),
    );
    expect(importers.map(layer), name).toEqual(['lib']);
  }
});

test('the code for a URL is found by its path', () => {
  const folders = ['oauth', 'connectors', 'events', 'webhooks'];
  const words = new Set(['api', ...folders, ':provider', ':connection_id', ':id']);
  const unnamed = { connectors: { get: 'catalog', delete: 'disconnect' }, events: { get: 'list' } };
  for (const { contract } of endpoints) {
    const [last] = contract.path
      .split('/')
      .filter((part) => part !== '' && !words.has(part))
      .slice(-1);
    const folder = folders.find((each) => contract.path.startsWith(`/api/${each}`));
    const names: Record<string, Record<string, string>> = unnamed;
    const name = last ?? names[folder ?? '']?.[contract.method];
    expect(files, contract.path).toContain(path.join('functions', folder ?? '', `${name}.ts`));
  }
});

test('every provider has a simulator, and every simulator a provider', () => {
  const store = { get: () => undefined, set: () => undefined, delete: () => undefined, list: () => [] };
  const client = { id: '', secret: '', redirectUris: [], settings: {} };
  const simulated = simulators.map(
    (make) => make({ store, client, now: Date.now, secret: (value) => value }).provider,
  );
  expect(simulated.sort()).toEqual(providers.map(({ id }) => id).sort());
});

test('a pattern of the catalogue is one that HTML’s pattern attribute takes', () => {
  for (const provider of [...providers, ...alternatives.map((each) => each.provider)]) {
    const fields = [...provider.config, ...(provider.auth.type === 'oauth' ? [] : [provider.auth.key])];
    for (const field of fields)
      expect(() => new RegExp(`^(?:${field.pattern})$`, 'v'), field.name).not.toThrow();
  }
});
