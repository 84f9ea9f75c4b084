import { sql } from 'kysely';
import type { Answer } from '../../providers/provider.ts';
import type { Services } from '../services.ts';

/** Listens to what a provider answers, whatever it was asked for. */
export interface Ear {
  hear: (answer: Answer) => void;
  hasHeardRefusal: () => boolean;
}

/** Whether a provider says that it does not take a credential (RFC 9110 section 15.5.2). */
export function isRefusal({ status }: Answer): boolean {
  return status === 401;
}

export function newEar(): Ear {
  let isRefused = false;
  return {
    hear: (answer) => {
      isRefused ||= isRefusal(answer);
    },
    hasHeardRefusal: () => isRefused,
  };
}

/**
 * Has a connection asked about at the next firing, where its provider was heard to refuse its credential at something
 * else: what that means is for its probe to say.
 */
export async function checkSoon({ postgres }: Services, id: string): Promise<void> {
  await postgres.rows(sql`
    update connections set check_at = now() where id = ${id}::uuid and status = 'connected'`);
}
