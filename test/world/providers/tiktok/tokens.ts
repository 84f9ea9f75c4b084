import { randomBytes } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';

/** A long-term access token; a revoked one stays, so that tests can see it die. */
export interface TokenRecord {
  sequence: number;
  token: string;
  login: string;
  revoked: boolean;
}

interface AuthCode {
  login: string;
  issuedAt: number;
}

const CODE_LIFETIME = 3_600_000;

/** Every token the simulator issued, oldest first. */
export function tokenRecords(store: Store): TokenRecord[] {
  return store.list<TokenRecord>('token/').sort((a, b) => a.sequence - b.sequence);
}

/** Issues, finds and kills codes and tokens. */
export type TokenBook = ReturnType<typeof tokenBook>;

export function tokenBook({ store, now, secret }: SimulatorContext) {
  const save = (record: TokenRecord) => store.set(`token/${record.token}`, record);
  const random = () => secret(randomBytes(20).toString('hex'));

  return {
    issueCode(login: string): string {
      const code = random();
      const kept: AuthCode = { login, issuedAt: now() };
      store.set(`code/${code}`, kept);
      return code;
    },

    /** The login of a code that still holds; whatever comes of it, the code is spent. */
    redeem(code: string): string | undefined {
      const kept = store.get<AuthCode>(`code/${code}`);
      store.delete(`code/${code}`);
      return kept && now() - kept.issuedAt < CODE_LIFETIME ? kept.login : undefined;
    },

    issue(login: string): TokenRecord {
      const living = tokenRecords(store).find((record) => record.login === login && !record.revoked);
      if (living && store.get<boolean>('settings.sameToken')) return living;
      const sequence = (store.get<number>('sequence') ?? 0) + 1;
      store.set('sequence', sequence);
      const record: TokenRecord = { sequence, token: random(), login, revoked: false };
      save(record);
      return record;
    },

    find(token: string): TokenRecord | undefined {
      const record = store.get<TokenRecord>(`token/${token}`);
      return record?.revoked === false ? record : undefined;
    },

    revoke: (record: TokenRecord) => save({ ...record, revoked: true }),
  };
}
