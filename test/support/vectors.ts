import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A file of third-party test vectors, where VECTORS_DIR says they are; undefined without it. */
export function readVectors<T>(file: string): T | undefined {
  const directory = process.env.VECTORS_DIR;
  const full = directory === undefined ? undefined : path.join(directory, file);
  return full !== undefined && existsSync(full) ? (JSON.parse(readFileSync(full, 'utf8')) as T) : undefined;
}
