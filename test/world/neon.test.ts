import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NeonDbError, neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Neon, startNeon } from './neon.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';

const configured = 'postgresql://reeve:hidden@db.example.neon.tech/app';

let directory: string;
let postgres: PostgresServer;
let endpoint: Neon;
const resolved: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'neon-test-'));
  postgres = await startPostgres(directory);
  await postgres.create('app');
  endpoint = await startNeon({
    resolve(connectionString) {
      resolved.push(connectionString);
      return connectionString.replace(
        'reeve:hidden@db.example.neon.tech',
        `reeve@127.0.0.1:${postgres.port}`,
      );
    },
  });
  neonConfig.fetchEndpoint = endpoint.url;
  await neon(configured)`create table things (id uuid primary key, name text not null unique, data jsonb)`;
}, 120_000);

afterAll(async () => {
  await endpoint.close();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  await neon(configured)`truncate things`;
  endpoint.faults.reset();
});

async function failure(query: Promise<unknown>): Promise<NeonDbError> {
  const error = await query.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof NeonDbError)) throw new Error(`no NeonDbError: ${error}`);
  return error;
}

const sql = neon(configured);

describe('single statements', () => {
  test('values of every kind the project stores come back as they went in', async () => {
    const id = '01890a5d-ac96-774b-bcce-b302099a8057';
    const bytes = Buffer.from([0, 1, 0x5c, 0xff]);
    const at = new Date('2026-01-02T03:04:05.678Z');
    const data = { a: ["x'y", 1, null], é: '\\' };
    const [row] = await sql`
      select ${id}::uuid as id, ${bytes} as bytes, ${at}::timestamptz as at, ${JSON.stringify(data)}::jsonb as data,
        ${data}::jsonb as object, ${null}::text as nothing, ${true}::boolean as yes, ${42}::int as n,
        ${'9007199254740993'}::bigint as big, ${['a', 'b,"c']}::text[] as list, ''::text as empty`;
    expect(row).toEqual({
      id,
      bytes,
      at,
      data,
      object: data,
      nothing: null,
      yes: true,
      n: 42,
      big: '9007199254740993',
      list: ['a', 'b,"c'],
      empty: '',
    });
  });

  test('array mode and full results carry fields, command and row count', async () => {
    const result = await sql.query('select 1::int4 as a, $1::text as a', ['x'], {
      arrayMode: true,
      fullResults: true,
    });
    expect(result).toMatchObject({ command: 'SELECT', rowCount: 1, rowAsArray: true, rows: [[1, 'x']] });
    expect(result.fields[0]).toEqual({
      name: 'a',
      tableID: 0,
      columnID: 0,
      dataTypeID: 23,
      dataTypeSize: 4,
      dataTypeModifier: -1,
      format: 'text',
    });
    const inserted = await sql.query('insert into things (id, name) values (gen_random_uuid(), $1)', ['x'], {
      fullResults: true,
    });
    expect(inserted).toMatchObject({ command: 'INSERT', rowCount: 1, rows: [], fields: [] });
  });

  test('a violated constraint is told with its SQLSTATE and names', async () => {
    const insert = (name: string | null) =>
      sql`insert into things (id, name) values (gen_random_uuid(), ${name})`;
    await insert('one');
    expect(await failure(insert('one'))).toMatchObject({
      code: '23505',
      severity: 'ERROR',
      schema: 'public',
      table: 'things',
      constraint: 'things_name_key',
      detail: 'Key (name)=(one) already exists.',
      routine: '_bt_check_unique',
    });
    expect(await failure(insert(null))).toMatchObject({ code: '23502', column: 'name' });
    expect(await failure(sql`selec 1`)).toMatchObject({ code: '42601', position: '1' });
    expect(await failure(sql`select 1; select 2`)).toMatchObject({ code: '42601' });
    expect(endpoint.queries.map((query) => query.error)).toEqual([
      undefined,
      '23505',
      '23502',
      '42601',
      '42601',
    ]);
  });

  test('an unknown database and an unknown role are told with their SQLSTATE', async () => {
    const nowhere = neon(configured.replace('/app', '/nowhere'));
    expect(await failure(nowhere`select 1`)).toMatchObject({ code: '3D000' });
    const stranger = neon(`postgresql://stranger@127.0.0.1:${postgres.port}/app`);
    expect(await failure(stranger`select 1`)).toMatchObject({ code: '28000' });
  });

  test('a transaction opened by a single statement is not left to the next caller', async () => {
    await sql`begin`;
    await sql`insert into things (id, name) values (gen_random_uuid(), 'kept')`;
    expect(await sql`select name from things`).toEqual([{ name: 'kept' }]);
  });

  test('a changed table does not trip statements seen before', async () => {
    await sql`create table changing (a int)`;
    await sql`select * from changing`;
    await sql`alter table changing add column b int`;
    expect(await sql`select * from changing`).toEqual([]);
    await sql`drop table changing`;
  });

  test('a caller that hangs up cancels its statement', async () => {
    const fetchOptions = { signal: AbortSignal.timeout(200) };
    await failure(sql.query('select pg_sleep(30)', [], { fetchOptions }));
    await expect
      .poll(
        () => sql`select pid from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`,
      )
      .toEqual([]);
  });
});

describe('batches', () => {
  test('a batch is one transaction, and one round trip', async () => {
    const insert = (name: string) => sql`insert into things (id, name) values (gen_random_uuid(), ${name})`;
    const [, , rows] = await sql.transaction([
      insert('a'),
      insert('b'),
      sql`select name from things order by 1`,
    ]);
    expect(rows).toEqual([{ name: 'a' }, { name: 'b' }]);
    expect(endpoint.count()).toBe(1);
    expect(await failure(sql.transaction([insert('c'), insert('a')]))).toMatchObject({ code: '23505' });
    expect(await sql`select count(*)::int as n from things`).toEqual([{ n: 2 }]);
  });

  test('isolation level, read only and deferrable reach the transaction', async () => {
    const [level, readOnly, deferrable] = await sql.transaction(
      [sql`show transaction_isolation`, sql`show transaction_read_only`, sql`show transaction_deferrable`],
      { isolationLevel: 'Serializable', readOnly: true, deferrable: true, arrayMode: true },
    );
    expect([level, readOnly, deferrable]).toEqual([[['serializable']], [['on']], [['on']]]);
    const write = sql.transaction([sql`truncate things`], { readOnly: true });
    expect(await failure(write)).toMatchObject({ code: '25006' });
  });

  test('a constraint that fails at commit fails the batch', async () => {
    await sql`create table later (id int unique deferrable initially deferred)`;
    const twice = sql.transaction([sql`insert into later values (1)`, sql`insert into later values (1)`]);
    expect(await failure(twice)).toMatchObject({ code: '23505' });
    expect(await sql`select * from later`).toEqual([]);
    await sql`drop table later`;
  });
});

describe('the endpoint', () => {
  test('round trips are counted and logged by database', async () => {
    await sql`select 1`;
    await sql`select ${2}::int`;
    const other = neon(configured.replace('/app', '/postgres'));
    await other`select 3`;
    expect([endpoint.count(), endpoint.count('app'), endpoint.count('postgres')]).toEqual([3, 2, 1]);
    expect(endpoint.queries[1]).toEqual({ sql: 'select $1::int', database: 'app', ms: expect.any(Number) });
    expect(resolved).toContain(configured);
  });

  test('more callers than connections wait for their turn', async () => {
    const rows = await Promise.all(
      Array.from({ length: 100 }, (_, n) => sql`select ${n}::int as n, pg_sleep(0.01)`),
    );
    expect(rows.map(([row]) => row?.n)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  test('an answer of more than 64 MB is none, though the statement has done its work', async () => {
    const large = (bytes: number) => sql`
      with named as (insert into things (id, name) values (gen_random_uuid(), ${`of ${bytes}`}) returning name)
      select repeat('x', ${bytes}::integer) as data from named`;
    // A row has a count of columns and each column a length before it.
    expect(await large(64 * 1024 * 1024 - 6)).toHaveLength(1);
    expect((await failure(large(64 * 1024 * 1024 - 5))).message).toBe(
      'Server error (HTTP status 507): {"message":"response is too large (max is 67108864 bytes)"}',
    );
    expect(await sql`select from things`).toHaveLength(2);
  });

  test('a batch whose answers are of more than 64 MB in all has done nothing', async () => {
    const half = () => sql`select repeat('x', ${40_000_000}::integer) as data`;
    const batch = sql.transaction([
      sql`insert into things (id, name) values (gen_random_uuid(), 'of a batch')`,
      half(),
      half(),
    ]);
    expect((await failure(batch)).message).toMatch(/HTTP status 507/);
    expect(await sql`select from things`).toEqual([]);
  });

  test('anything but a POST of a statement is refused', async () => {
    expect((await fetch(endpoint.url)).status).toBe(400);
    const headers = {
      'neon-connection-string': configured,
      'neon-raw-text-output': 'true',
      'neon-array-mode': 'true',
    };
    const post = (body: string | Uint8Array<ArrayBuffer>) =>
      fetch(endpoint.url, { method: 'POST', headers, body });
    expect((await post('{')).status).toBe(400);
    expect((await post('{"params":[]}')).status).toBe(400);
    const large = await post(new Uint8Array(64 * 1024 * 1024 + 1)).then(
      (response) => response.status,
      () => 413,
    );
    expect(large).toBe(413);
    expect(endpoint.count()).toBe(0);
  });
});

describe('faults', () => {
  const insert = (name: string) => sql`insert into things (id, name) values (gen_random_uuid(), ${name})`;
  const names = async () => (await sql`select name from things order by 1`).map((row) => row.name);

  test('a lost acknowledgement has done its work, a lost request has not', async () => {
    endpoint.faults.failNext(1, { after: true, match: /insert/ });
    await names();
    expect((await failure(insert('after'))).message).toMatch(/^Error connecting to database/);
    endpoint.faults.failNext(1, { after: false });
    await failure(insert('before'));
    endpoint.faults.failNext(1, { after: true });
    await failure(sql.transaction([insert('batch')]));
    expect(await names()).toEqual(['after', 'batch']);
    expect(endpoint.count()).toBe(5);
  });

  test('an endpoint that is down answers 500', async () => {
    endpoint.faults.down(true);
    expect((await failure(insert('never'))).message).toMatch(
      /^Server error \(HTTP status 500\).*neon:retryable/,
    );
    endpoint.faults.reset();
    expect(await names()).toEqual([]);
  });

  test('a delay holds the statement back', async () => {
    endpoint.faults.delay(100);
    const started = performance.now();
    await insert('late');
    expect(performance.now() - started).toBeGreaterThan(90);
  });

  test('PostgreSQL may restart: running statements end, the next ones are served', {
    timeout: 60_000,
  }, async () => {
    await Promise.all(Array.from({ length: 10 }, () => sql`select pg_sleep(0.05)`));
    const running = failure(sql`select pg_sleep(30)`);
    await sleep(200);
    await postgres.stop();
    const error = await running;
    expect(error.code === '57P01' || /HTTP status 500/.test(error.message)).toBe(true);
    expect((await failure(insert('down'))).message).toMatch(/HTTP status 500/);
    await postgres.restart();
    await Promise.all(Array.from({ length: 10 }, (_, n) => insert(`up ${n}`)));
    expect(await names()).toHaveLength(10);
  });
});
