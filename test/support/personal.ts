import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { inject } from 'vitest';

/** Somebody's personal data, which is nobody else's: the test of leaks looks for it in all that was kept. */
export function personalData(): { email: string; name: string } {
  const mark = randomBytes(9).toString('hex');
  const person = { email: `${mark}@buyer.example`, name: `Ada Buyer-${mark}` };
  for (const each of Object.values(person)) {
    appendFileSync(path.join(inject('directory'), 'secrets.jsonl'), `${JSON.stringify(each)}\n`);
  }
  return person;
}
