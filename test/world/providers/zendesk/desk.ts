import { randomInt } from 'node:crypto';
import type { SimulatorContext } from '../../simulator.ts';

export type Role = 'admin' | 'agent' | 'end-user';

export interface DeskUser {
  id: number;
  name: string;
  email: string;
  role: Role;
  suspended: boolean;
}

/** A key as the Admin Center keeps it; it belongs to the help desk, not to a person. */
export interface ApiToken {
  desk: string;
  lastUsedAt: number;
}

export interface OAuthClient {
  desk: string;
  identifier: string;
  secret: string;
  email: string;
  /** All of them, without. */
  allowedScopes?: string[] | undefined;
}

export interface AccessToken {
  id: number;
  desk: string;
  token: string;
  clientIdentifier: string;
  email: string;
  scopes: string[];
  createdAt: number;
  expiresAt: number | null;
  revoked: boolean;
}

/** The help desks that exist, with the name of their account and default brand. */
export const DESKS = new Map([
  ['acme', { id: 360001, name: 'Acme Support' }],
  ['globex', { id: 360002, name: 'Globex Support' }],
]);

/** An API token unused for so long is switched off (removal of API tokens, 2026). */
export const INACTIVITY = 30 * 86_400_000;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function randomLetters(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** The people, keys and tokens of all help desks. */
export type Records = ReturnType<typeof deskRecords>;

export function deskRecords({ store }: SimulatorContext) {
  const key = (desk: string, email: string) => `user/${desk}/${email.toLowerCase()}`;

  const records = {
    nextId(): number {
      const id = (store.get<number>('sequence') ?? 35_436) + 1;
      store.set('sequence', id);
      return id;
    },
    user: (desk: string, email: string) => store.get<DeskUser>(key(desk, email)),
    users: (desk: string) => store.list<DeskUser>(`user/${desk}/`).sort((a, b) => a.id - b.id),
    saveUser(desk: string, person: Omit<DeskUser, 'id'>): DeskUser {
      const user = { ...person, id: records.user(desk, person.email)?.id ?? records.nextId() };
      store.set(key(desk, person.email), user);
      return user;
    },

    apiToken: (token: string) => store.get<ApiToken>(`api-token/${token}`),
    saveApiToken: (token: string, record: ApiToken) => store.set(`api-token/${token}`, record),

    client: (desk: string, identifier: string) => store.get<OAuthClient>(`client/${desk}/${identifier}`),
    saveClient: (client: OAuthClient) => store.set(`client/${client.desk}/${client.identifier}`, client),

    accessToken: (token: string) => store.get<AccessToken>(`access-token/${token}`),
    accessTokens: () => store.list<AccessToken>('access-token/').sort((a, b) => a.id - b.id),
    saveAccessToken: (record: AccessToken) => store.set(`access-token/${record.token}`, record),
  };

  // Each help desk has an owner and an agent from the start.
  for (const desk of DESKS.keys()) {
    if (records.users(desk).length > 0) continue;
    const title = desk.charAt(0).toUpperCase() + desk.slice(1);
    records.saveUser(desk, {
      name: `${title} Owner`,
      email: `owner@${desk}.example`,
      role: 'admin',
      suspended: false,
    });
    records.saveUser(desk, {
      name: `${title} Helper`,
      email: `helper@${desk}.example`,
      role: 'agent',
      suspended: false,
    });
  }
  return records;
}
