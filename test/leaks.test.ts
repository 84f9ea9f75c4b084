import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { SHORTEST, searcher } from './support/secret-search.ts';
import { connectTo } from './world/postgres.ts';

const directory = inject('directory');
const databases = connectTo(inject('postgresPort'));

const lines = (file: string): string[] =>
  existsSync(path.join(directory, file))
    ? readFileSync(path.join(directory, file), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => String(JSON.parse(line)))
    : [];

async function dump(database: string): Promise<string> {
  const { rows } = await databases.run(
    database,
    `select table_name from information_schema.tables where table_schema = 'public' order by table_name`,
  );
  const texts = await Promise.all(
    rows.map(async ({ table_name: table }) => {
      const { rows: all } = await databases.run(database, `select t::text as row from ${table} t`);
      return all.map(({ row }) => `${table}: ${row}`).join('\n');
    }),
  );
  return texts.join('\n');
}

/** All files that workerd has written: KV, queues. */
function storedByWorkerd(): Array<[string, Buffer]> {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes('/workerd'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => [file, readFileSync(file)]);
}

const secrets = [...new Set(lines('secrets.jsonl'))].filter((secret) => secret.length >= SHORTEST);
const found = searcher(secrets);

test('the search finds a secret in each form it could leak in', () => {
  const secret = 'canary+secret/with?odd=characters&more';
  const bytes = Buffer.from(secret);
  for (const text of [
    secret,
    `prefix ${encodeURIComponent(secret)}`,
    bytes.toString('hex'),
    Buffer.from(`a${secret}b`).toString('base64'),
    Buffer.from(`ab${secret}c`).toString('base64url'),
    `\\x${bytes.toString('hex')}`,
    JSON.stringify({ nested: secret }),
  ]) {
    expect(searcher([secret])(text), text).toEqual([secret]);
  }
  expect(searcher([secret])('nothing of the kind')).toEqual([]);
});

test('the run has used secrets, stored rows and written logs', async () => {
  expect(secrets.length).toBeGreaterThan(20);
  expect(lines('logs.jsonl').length).toBeGreaterThan(50);
  expect(storedByWorkerd().length).toBeGreaterThan(0);
});

test('customers’ personal data were told, and are looked for like secrets', () => {
  expect(secrets.filter((secret) => secret.endsWith('@buyer.example')).length).toBeGreaterThan(40);
});

test('no table of any database holds a secret that was used, or what is personal', async () => {
  const { rows } = await databases.run(
    'postgres',
    `select datname from pg_database where datname like 'test_%'`,
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const { datname } of rows) expect(found(await dump(datname)), datname).toEqual([]);
}, 120_000);

test('no file of KV or the queues holds a secret that was used, or what is personal', () => {
  for (const [file, bytes] of storedByWorkerd()) {
    expect(found(bytes.toString('latin1')), file).toEqual([]);
  }
});

test('no log line holds a secret that was used, or what is personal', () => {
  expect(found(lines('logs.jsonl').join('\n'))).toEqual([]);
});
