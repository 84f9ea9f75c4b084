import { DatabaseSync } from 'node:sqlite';

/** What a part of the world remembers: JSON values by key, written before the call returns. */
export interface Store {
  get<T>(key: string): T | undefined;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  /** The values whose keys begin with `prefix`, in key order. */
  list<T>(prefix: string): T[];
}

/** Opens the file all parts of the world keep their memory in; `:memory:` forgets at the end. */
export function openStores(file: string): { of(part: string): Store; close(): void } {
  const database = new DatabaseSync(file);
  database.exec('pragma journal_mode = wal; pragma synchronous = normal');
  database.exec(
    'create table if not exists memory (key text primary key, value text not null) without rowid',
  );
  const select = database.prepare('select value from memory where key = ?');
  const upsert = database.prepare('insert or replace into memory (key, value) values (?, ?)');
  const remove = database.prepare('delete from memory where key = ?');
  const range = database.prepare('select value from memory where key >= ? and key < ? order by key');

  return {
    of: (part) => ({
      get<T>(key: string) {
        const row = select.get(`${part}/${key}`);
        return row ? (JSON.parse(String(row.value)) as T) : undefined;
      },
      set: (key, value) => void upsert.run(`${part}/${key}`, JSON.stringify(value)),
      delete: (key) => void remove.run(`${part}/${key}`),
      list: <T>(prefix: string) =>
        range
          .all(`${part}/${prefix}`, `${part}/${prefix}\uffff`)
          .map((row) => JSON.parse(String(row.value)) as T),
    }),
    close: () => database.close(),
  };
}
