/** The people who can approve on the consent screen. */
export const USERS = [
  { login: 'octocat', id: 583231, name: 'The Octocat', company: '@github', email: 'octocat@github.example' },
  { login: 'hubot', id: 480938, name: null, company: null, email: null },
] as const;

export type User = (typeof USERS)[number];

const REPOSITORIES = [
  { id: 1296269, owner: 'octocat', name: 'Hello-World', private: false, pushed_at: '2026-05-04T10:00:00Z' },
  { id: 1300192, owner: 'octocat', name: 'Spoon-Knife', private: false, pushed_at: '2026-03-02T08:30:00Z' },
  { id: 1300193, owner: 'octocat', name: 'launch-plans', private: true, pushed_at: '2026-06-01T16:45:00Z' },
  { id: 2100001, owner: 'hubot', name: 'scripts', private: false, pushed_at: '2026-01-15T12:00:00Z' },
  { id: 2100002, owner: 'hubot', name: 'secret-orders', private: true, pushed_at: '2026-02-20T09:10:00Z' },
] as const;

export type Repository = (typeof REPOSITORIES)[number];

const API = 'https://api.github.com';
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

/** The schema `simple-user` of the REST description. */
export function simpleUser(user: User) {
  const url = `${API}/users/${user.login}`;
  return {
    login: user.login,
    id: user.id,
    node_id: btoa(`04:User${user.id}`),
    avatar_url: `https://avatars.githubusercontent.com/u/${user.id}?v=4`,
    gravatar_id: '',
    url,
    html_url: `https://github.com/${user.login}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type: 'User',
    site_admin: false,
  };
}

/** GET /user: the private half only for a token that may read the profile. */
export function fullUser(user: User, scopes: string[]) {
  const own = repositoriesOf(user.login);
  const hidden = own.filter((repository) => repository.private).length;
  const open = {
    ...simpleUser(user),
    name: user.name,
    company: user.company,
    blog: '',
    location: null,
    email: user.email,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: own.length - hidden,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: '2011-01-25T18:44:36Z',
    updated_at: '2026-06-01T08:00:00Z',
  };
  if (!scopes.some((scope) => scope === 'user' || scope === 'read:user')) {
    return { ...open, user_view_type: 'public' };
  }
  return {
    ...open,
    user_view_type: 'private',
    private_gists: 0,
    total_private_repos: hidden,
    owned_private_repos: hidden,
    disk_usage: 1024,
    collaborators: 0,
    two_factor_authentication: true,
    plan: { name: 'free', space: 976_562_499, collaborators: 0, private_repos: 10_000 },
  };
}

export function repositoriesOf(login: string): Repository[] {
  return REPOSITORIES.filter((repository) => repository.owner === login);
}

/** The schema `repository` of the REST description. */
export function fullRepository(repository: Repository, owner: User) {
  const fullName = `${repository.owner}/${repository.name}`;
  const url = `${API}/repos/${fullName}`;
  const web = `https://github.com/${fullName}`;
  return {
    id: repository.id,
    node_id: btoa(`010:Repository${repository.id}`),
    name: repository.name,
    full_name: fullName,
    private: repository.private,
    visibility: repository.private ? 'private' : 'public',
    owner: simpleUser(owner),
    html_url: web,
    description: null,
    fork: false,
    url,
    ...Object.fromEntries(Object.entries(REPOSITORY_URLS).map(([key, path]) => [key, url + path])),
    git_url: `git://github.com/${fullName}.git`,
    ssh_url: `git@github.com:${fullName}.git`,
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
    archived: false,
    disabled: false,
    permissions: { admin: true, maintain: true, push: true, triage: true, pull: true },
    created_at: '2011-01-26T19:01:12Z',
    updated_at: repository.pushed_at,
    pushed_at: repository.pushed_at,
  };
}
