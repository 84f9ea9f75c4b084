import type { SimulatorContext } from '../../simulator.ts';
import type { Store } from '../../store.ts';
import { accountOf, isOrganization, simpleUser, USERS } from './accounts.ts';
import { type App, PERMISSIONS } from './app.ts';
import type { Repository, RepositoryBook } from './repositories.ts';

export interface Installation {
  id: number;
  /** The login of the user or organization. */
  account: string;
  repositories: number[] | 'all';
  /** There from the start, unless `settings.notInstalled` says otherwise. */
  seeded: boolean;
  suspendedAt: number | null;
  suspendedBy: 'app' | 'account' | null;
  createdAt: number;
  updatedAt: number;
  /** Kept after the end, so that tests can see it. */
  removed: boolean;
}

const FIRST_ID = 70_100_000;

/** Every installation there ever was, oldest first. */
export function installationRecords(store: Store): Installation[] {
  return store.list<Installation>('installation/').sort((a, b) => a.id - b.id);
}

export const saveInstallation = (store: Store, record: Installation) =>
  store.set(`installation/${record.id}`, record);

export function isInstalled(store: Store, record: Installation): boolean {
  const not = store.get<true | string | string[]>('settings.notInstalled') ?? [];
  return !record.removed && !(record.seeded && (not === true || [not].flat().includes(record.account)));
}

/** Whether the person has access to something in the account. */
export function reaches(login: string, { account: name }: Installation): boolean {
  const account = accountOf(name);
  return isOrganization(account) ? account.members.includes(login) : account.login === login;
}

/** Installs, finds and changes. */
export type InstallationBook = ReturnType<typeof installationBook>;

export function installationBook(
  { store, now }: SimulatorContext,
  app: App | null,
  repositoryBook: RepositoryBook,
) {
  const create = (account: string, repositories: Installation['repositories'], seeded: boolean) => {
    const record: Installation = {
      id: FIRST_ID + installationRecords(store).length + 1,
      account,
      repositories,
      seeded,
      suspendedAt: null,
      suspendedBy: null,
      createdAt: now(),
      updatedAt: now(),
      removed: false,
    };
    saveInstallation(store, record);
    return record;
  };
  if (app && installationRecords(store).length === 0) {
    for (const { login } of USERS) create(login, 'all', true);
  }

  const book = {
    all: () => installationRecords(store).filter((record) => isInstalled(store, record)),
    find: (id: number) => book.all().find((record) => record.id === id),
    of: (account: string) => book.all().find((record) => record.account === account),
    /** The repositories that the account opened to the App. */
    covered: ({ account, repositories }: Installation): Repository[] =>
      repositoryBook.of(account).filter(({ id }) => repositories === 'all' || repositories.includes(id)),
    install(account: string, repositories: Installation['repositories']): Installation {
      // One that only a setting hides must not come back beside the new one.
      for (const old of installationRecords(store)) {
        if (old.account === account && !old.removed) saveInstallation(store, { ...old, removed: true });
      }
      return create(account, repositories, false);
    },
    change(record: Installation, change: Partial<Installation>): Installation {
      const changed = { ...record, ...change, updatedAt: now() };
      saveInstallation(store, changed);
      return changed;
    },
  };
  return book;
}

export const installationNodeId = ({ id }: Installation) => btoa(`023:IntegrationInstallation${id}`);

/** Times in GitHub's answers have no fractions. */
export const toIso = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

/** The schema `installation` of the REST description. */
export function installationObject(app: App, record: Installation) {
  const account = accountOf(record.account);
  const where = isOrganization(account) ? `organizations/${account.login}/settings` : 'settings';
  return {
    id: record.id,
    account: simpleUser(account),
    repository_selection: record.repositories === 'all' ? 'all' : 'selected',
    access_tokens_url: `https://api.github.com/app/installations/${record.id}/access_tokens`,
    repositories_url: 'https://api.github.com/installation/repositories',
    html_url: `https://github.com/${where}/installations/${record.id}`,
    app_id: app.id,
    client_id: app.clientId,
    app_slug: app.slug,
    target_id: account.id,
    target_type: simpleUser(account).type,
    permissions: PERMISSIONS,
    events: app.events,
    created_at: toIso(record.createdAt),
    updated_at: toIso(record.updatedAt),
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: record.suspendedBy === 'account' ? simpleUser(ownerOf(record.account)) : null,
    suspended_at: record.suspendedAt === null ? null : toIso(record.suspendedAt),
  };
}

function ownerOf(login: string) {
  const account = accountOf(login);
  return isOrganization(account) ? accountOf(account.owners[0] ?? login) : account;
}
