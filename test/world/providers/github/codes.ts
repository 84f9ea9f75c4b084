import type { SimulatorContext } from '../../simulator.ts';
import { randomLetters } from './tokens.ts';

const LIFETIME = 600_000;

/** What the person granted, until the application fetches it. */
export interface Code {
  login: string;
  scopes: string[];
  redirectUri: string;
  challenge: string | null;
  offline: boolean;
  issuedAt: number;
}

export type CodeBook = ReturnType<typeof codeBook>;

export function codeBook({ store, now, secret }: SimulatorContext) {
  return {
    issue(grant: Omit<Code, 'issuedAt'>): string {
      const code = secret(randomLetters(20));
      store.set(`code/${code}`, { ...grant, issuedAt: now() });
      return code;
    },

    /** A code is good once, for ten minutes. */
    redeem(code: string): Code | undefined {
      const kept = store.get<Code>(`code/${code}`);
      store.delete(`code/${code}`);
      return kept && now() - kept.issuedAt < LIFETIME ? kept : undefined;
    },
  };
}
