import type { StagedWorld } from '../stage.ts';

/** The tables whose rows say what a credential is used for, and where. */
export const TABLES = ['connections', 'webhooks', 'revocations', 'agents', 'data_keys'] as const;
export type Table = (typeof TABLES)[number];

/** One column of each row of a table gets a value, which is an SQL expression. */
export interface Change {
  table: Table;
  column: string;
  value: string;
}

/** How a row of a table is found by its connection `$1`, or the tenant `$2` who is its owner. */
export const WHERE: Record<Table, string> = {
  connections: 'id = $1::uuid',
  webhooks: 'connection_id = $1::uuid',
  revocations: 'connection_id = $1::uuid',
  agents: 'tenant_id = $2::uuid',
  data_keys: 'tenant_id = $2::uuid',
};

const EVIL = ['evil.example', 'evil.example/', 'x@evil.example', 'evil.myshopify.com', '169.254.169.254'];
const NAMES = ['shop', 'host', 'domain', 'subdomain', 'email', 'project_id', 'url'];

const BY_TYPE: Record<string, readonly string[]> = {
  text: [`'evil.example'`],
  _text: [`array['evil.example']`],
  uuid: ['gen_random_uuid()'],
  int4: ['7'],
  int8: ['7'],
  bool: ['true'],
  timestamptz: [`now() - interval '1 hour'`, `now() + interval '1 year'`],
  bytea: [`'\\x0102'`],
  jsonb: [`'{"host":"evil.example"}'`],
};

/** What a column is changed to besides: hosts, where it says where something goes; what is another's; other kinds. */
const BY_NAME: Record<string, readonly string[]> = {
  config: EVIL.map((evil) => {
    const changed = JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, evil])));
    return `config || '${changed}'`;
  }),
  url: EVIL.map((evil) => `'https://${evil}'`),
  account_id: EVIL.map((evil) => `'${evil}'`),
  routes: [`array['https://evil.example']`, `array['repository:1']`],
  registered: [
    `'[{"id":"https://evil.example/1","target":"https://evil.example"}]'`,
    `'[{"id":"../../../evil.example","target":"evil.example/x"}]'`,
    `'[{"id":"1","target":"@evil.example"}]'`,
  ],
  provider: [`'posthog'`, `'klaviyo'`, `'shopify'`, `'github'`],
  type: [`'oauth'`, `'api_key'`, `'service_account'`],
  status: [`'connected'`, `'reauthorization_required'`, `'failed'`, `'none'`],
};

/** Columns that hold what was sealed, or by which it is bound, get those of another row, too. */
const OF_OTHERS =
  /^(credential|refresh_token|previous_refresh_token|secret|wrapped|tenant_id|user_id|data_key_id)$/;

/** Every column of every table, with each of its values, as the schema has them. */
export async function changesOf(world: StagedWorld): Promise<Change[]> {
  const columns = await world.sql(
    `select table_name, column_name, udt_name from information_schema.columns
     where table_schema = 'public' and table_name = any ($1) order by table_name, ordinal_position`,
    [TABLES],
  );
  return columns.flatMap(({ table_name, column_name, udt_name }) => {
    const [table, column] = [String(table_name) as Table, String(column_name)];
    const usual = BY_TYPE[String(udt_name)];
    if (!usual) throw new Error(`no value for ${table}.${column} of ${udt_name}`);
    const others = OF_OTHERS.test(column)
      ? [`(select o.${column} from ${table} o where o.${column} is distinct from r.${column} limit 1)`]
      : [];
    return [...usual, ...(BY_NAME[column] ?? []), ...others].map((value) => ({ table, column, value }));
  });
}
