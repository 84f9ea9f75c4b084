import { createHash } from 'node:crypto';
import { accountOf, isOrganization, simpleUser, USERS, type User } from './accounts.ts';
import { fullName, fullRepository, type Repository } from './repositories.ts';

/** Where something happens, when, by whom, and what a test wants it to be like. */
export interface Scene {
  repository: Repository;
  sender: User;
  now: number;
  action?: string | undefined;
  ref?: string | undefined;
  state?: string | undefined;
  conclusion?: string | undefined;
}

/** What an event says beside the keys that all share. */
export interface Told {
  action: string | null;
  fields: Record<string, unknown>;
}

/** A repository in an event is nobody's view of it: it has no permissions (the schema `repository-webhooks`). */
export function eventRepository(repository: Repository) {
  const { permissions: _, ...seen } = fullRepository(repository, null);
  return { ...seen, allow_forking: true, web_commit_signoff_required: false, custom_properties: {} };
}

/** The key `organization`, where the repository is an organization's (`organization-simple-webhooks`). */
export function organizationPart(login: string) {
  const account = accountOf(login);
  if (!isOrganization(account)) return {};
  const url = `https://api.github.com/orgs/${login}`;
  return {
    organization: {
      login,
      id: account.id,
      node_id: btoa(`012:Organization${account.id}`),
      url,
      repos_url: `${url}/repos`,
      events_url: `${url}/events`,
      hooks_url: `${url}/hooks`,
      issues_url: `${url}/issues`,
      members_url: `${url}/members{/member}`,
      public_members_url: `${url}/public_members{/member}`,
      avatar_url: `https://avatars.githubusercontent.com/u/${account.id}?v=4`,
      description: null,
    },
  };
}

/** Whoever acts for an account: itself, or the first of an organization's owners who is known here. */
export function actorFor(login: string): User {
  const account = accountOf(login);
  if (!isOrganization(account)) return account;
  return USERS.find((user) => account.owners.includes(user.login)) ?? USERS[0];
}

/** The body of an event in a repository, without the key `installation`, which only an App gets. */
export function eventBody({ repository, sender }: Scene, { action, fields }: Told) {
  return {
    ...(action !== null && { action }),
    repository: eventRepository(repository),
    ...organizationPart(repository.owner),
    sender: simpleUser(sender),
    ...fields,
  };
}

export const sha = (...parts: unknown[]) => createHash('sha1').update(parts.join(' ')).digest('hex');

/** Ids that grow with the time. */
export const idAt = (now: number) => Math.floor(now / 1000) * 10;

/** The commit at the tip of a branch, as `push` and `workflow_run` have it. */
export function tipOf({ repository, sender, now }: Scene, ref: string) {
  const id = sha(fullName(repository), ref, now);
  const author = { name: sender.name ?? sender.login, email: `${sender.login}@users.noreply.github.example` };
  const timestamp = new Date(now).toISOString();
  const person = { ...author, date: timestamp, username: sender.login };
  return {
    id,
    tree_id: sha('tree', id),
    distinct: true,
    message: 'Update the readme',
    timestamp,
    url: `https://github.com/${fullName(repository)}/commit/${id}`,
    author: person,
    committer: person,
    added: [],
    removed: [],
    modified: ['README.md'],
  };
}
