import type { Store } from '../../store.ts';
import { accountOf, isOrganization, organizationsOf, simpleUser } from './accounts.ts';

export interface Repository {
  id: number;
  owner: string;
  name: string;
  private: boolean;
  archived: boolean;
  pushed_at: string;
  /** Outside collaborators who may only read. */
  readers?: string[];
}

/**
 * All that octo-org has is private: its owners have not approved any OAuth App
 * (organizations/managing-oauth-access-to-your-organizations-data), so that only a GitHub App gets at it.
 */
const REPOSITORIES: Omit<Repository, 'archived'>[] = [
  { id: 1296269, owner: 'octocat', name: 'Hello-World', private: false, pushed_at: '2026-05-04T10:00:00Z' },
  { id: 1300192, owner: 'octocat', name: 'Spoon-Knife', private: false, pushed_at: '2026-03-02T08:30:00Z' },
  { id: 1300193, owner: 'octocat', name: 'launch-plans', private: true, pushed_at: '2026-06-01T16:45:00Z' },
  { id: 2100001, owner: 'hubot', name: 'scripts', private: false, pushed_at: '2026-01-15T12:00:00Z' },
  { id: 2100002, owner: 'hubot', name: 'secret-orders', private: true, pushed_at: '2026-02-20T09:10:00Z' },
  { id: 3100001, owner: 'octo-org', name: 'roadmap', private: true, pushed_at: '2026-07-03T13:00:00Z' },
  { id: 3100002, owner: 'octo-org', name: 'rockets', private: true, pushed_at: '2026-07-09T15:20:00Z' },
  {
    id: 4100001,
    owner: 'octo-guild',
    name: 'handbook',
    private: false,
    pushed_at: '2026-04-11T11:00:00Z',
    readers: ['octocat'],
  },
];

export const fullName = ({ owner, name }: Pick<Repository, 'owner' | 'name'>) => `${owner}/${name}`;

export type RepositoryBook = ReturnType<typeof repositoryBook>;

export function repositoryBook(store: Store) {
  const all = (): Repository[] => {
    const archived = store.get<string[]>('settings.archived') ?? [];
    return [...REPOSITORIES, ...moreOfOctocat(store.get<number>('settings.moreRepositories') ?? 0)].map(
      (each) => ({ ...each, archived: archived.includes(fullName(each)) }),
    );
  };
  const of = (login: string) => all().filter((repository) => repository.owner === login);
  return {
    of,

    /** Names are found in whatever case they are written. */
    named: (name: string) =>
      all().find((repository) => fullName(repository).toLowerCase() === name.toLowerCase()),

    /** What the person can read: their own, their organizations', and what others let them. */
    for: (login: string) => [
      ...[login, ...organizationsOf(login).map((each) => each.login)].flatMap(of),
      ...all().filter(({ readers }) => readers?.includes(login)),
    ],
  };
}

/** So many that they come in pages. */
function moreOfOctocat(count: number): Omit<Repository, 'archived'>[] {
  return Array.from({ length: count }, (_, index) => ({
    id: 5_000_001 + index,
    owner: 'octocat',
    name: `notebook-${String(index + 1).padStart(3, '0')}`,
    private: true,
    pushed_at: `${new Date(Date.UTC(2025, 0, 1 + index)).toISOString().slice(0, 19)}Z`,
  }));
}

const REPOSITORY_URLS: Record<string, string> = {
  archive_url: '/{archive_format}{/ref}',
  assignees_url: '/assignees{/user}',
  blobs_url: '/git/blobs{/sha}',
  branches_url: '/branches{/branch}',
  collaborators_url: '/collaborators{/collaborator}',
  comments_url: '/comments{/number}',
  commits_url: '/commits{/sha}',
  compare_url: '/compare/{base}...{head}',
  contents_url: '/contents/{+path}',
  contributors_url: '/contributors',
  deployments_url: '/deployments',
  downloads_url: '/downloads',
  events_url: '/events',
  forks_url: '/forks',
  git_commits_url: '/git/commits{/sha}',
  git_refs_url: '/git/refs{/sha}',
  git_tags_url: '/git/tags{/sha}',
  hooks_url: '/hooks',
  issue_comment_url: '/issues/comments{/number}',
  issue_events_url: '/issues/events{/number}',
  issues_url: '/issues{/number}',
  keys_url: '/keys{/key_id}',
  labels_url: '/labels{/name}',
  languages_url: '/languages',
  merges_url: '/merges',
  milestones_url: '/milestones{/number}',
  notifications_url: '/notifications{?since,all,participating}',
  pulls_url: '/pulls{/number}',
  releases_url: '/releases{/id}',
  stargazers_url: '/stargazers',
  statuses_url: '/statuses/{sha}',
  subscribers_url: '/subscribers',
  subscription_url: '/subscription',
  tags_url: '/tags',
  teams_url: '/teams',
  trees_url: '/git/trees{/sha}',
};

/**
 * The schema `repository` of the REST description, as `viewer` sees it; an installation (null) does not own
 * what it reads.
 */
export function fullRepository(repository: Repository, viewer: string | null) {
  const owner = accountOf(repository.owner);
  const isOwner = isOrganization(owner)
    ? owner.owners.some((each) => each === viewer)
    : owner.login === viewer;
  const name = fullName(repository);
  const url = `https://api.github.com/repos/${name}`;
  const web = `https://github.com/${name}`;
  return {
    id: repository.id,
    node_id: btoa(`010:Repository${repository.id}`),
    name: repository.name,
    full_name: name,
    private: repository.private,
    visibility: repository.private ? 'private' : 'public',
    owner: simpleUser(owner),
    html_url: web,
    description: null,
    fork: false,
    url,
    ...Object.fromEntries(Object.entries(REPOSITORY_URLS).map(([key, path]) => [key, url + path])),
    git_url: `git://github.com/${name}.git`,
    ssh_url: `git@github.com:${name}.git`,
    clone_url: `${web}.git`,
    svn_url: web,
    mirror_url: null,
    homepage: null,
    language: null,
    license: null,
    default_branch: 'main',
    size: 108,
    forks: 0,
    forks_count: 0,
    open_issues: 0,
    open_issues_count: 0,
    stargazers_count: 0,
    watchers: 0,
    watchers_count: 0,
    topics: [],
    is_template: false,
    has_issues: true,
    has_projects: true,
    has_wiki: true,
    has_pages: false,
    has_downloads: true,
    archived: repository.archived,
    disabled: false,
    permissions: { admin: isOwner, maintain: isOwner, push: isOwner, triage: isOwner, pull: true },
    created_at: '2011-01-26T19:01:12Z',
    updated_at: repository.pushed_at,
    pushed_at: repository.pushed_at,
  };
}
