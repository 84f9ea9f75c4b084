import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import type { App } from './app.ts';
import type { Installation, InstallationBook } from './installations.ts';
import { randomLetters } from './tokens.ts';

/** An installation access token; a dead one stays, so that tests can see it die. */
export interface InstallationToken {
  sequence: number;
  token: string;
  installation: number;
  permissions: Record<string, string>;
  /** Null is all that the installation covers, also in the future. */
  repositories: number[] | null;
  expiresAt: number;
  revoked: boolean;
}

const HOUR = 3_600_000;

export function installationTokenRecords(store: Store): InstallationToken[] {
  return store.list<InstallationToken>('installation-token/').sort((a, b) => a.sequence - b.sequence);
}

export type InstallationTokenBook = ReturnType<typeof installationTokenBook>;

export function installationTokenBook(
  { store, now, secret }: SimulatorContext,
  installations: InstallationBook,
) {
  const save = (record: InstallationToken) => store.set(`installation-token/${record.token}`, record);
  return {
    /** In the stateless form that is being rolled out since April 2026: long, and with dots in it. */
    issue(
      app: App,
      installation: Installation,
      narrowed: Pick<InstallationToken, 'permissions' | 'repositories'>,
    ): InstallationToken {
      const parts = [`${app.id}_${randomLetters(36)}`, randomLetters(360), randomLetters(86)];
      const record: InstallationToken = {
        ...narrowed,
        sequence: installationTokenRecords(store).length + 1,
        token: secret(`ghs_${parts.join('.')}`),
        installation: installation.id,
        expiresAt: now() - (now() % 1000) + HOUR,
        revoked: false,
      };
      save(record);
      return record;
    },

    find(token: string): { token: InstallationToken; installation: Installation } | undefined {
      const record = store.get<InstallationToken>(`installation-token/${token}`);
      const installation = record && installations.find(record.installation);
      if (!installation || record.revoked || now() >= record.expiresAt) return undefined;
      return { token: record, installation };
    },

    /** What the token opens of the installation. */
    opened: (token: InstallationToken, installation: Installation) =>
      installations.covered(installation).filter(({ id }) => token.repositories?.includes(id) ?? true),

    revoke: (record: InstallationToken) => save({ ...record, revoked: true }),
  };
}
