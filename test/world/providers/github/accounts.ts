/** The people who can approve on the consent screen. */
export const USERS = [
  { login: 'octocat', id: 583231, name: 'The Octocat', company: '@github', email: 'octocat@github.example' },
  { login: 'hubot', id: 480938, name: null, company: null, email: null },
] as const;

export type User = (typeof USERS)[number];

/** Octocat owns the first organization, hubot is a member of it; the second is of people nobody can consent as. */
export const ORGANIZATIONS = [
  { login: 'octo-org', id: 6811672, owners: ['octocat'], members: ['octocat', 'hubot'] },
  { login: 'octo-guild', id: 9919001, owners: ['monalisa'], members: ['monalisa'] },
];

export type Organization = (typeof ORGANIZATIONS)[number];

export const isOrganization = (account: User | Organization): account is Organization => 'owners' in account;

export const organizationsOf = (login: string) =>
  ORGANIZATIONS.filter((each) => each.members.includes(login));

export function userOf(login: string): User {
  const user = USERS.find((each) => each.login === login);
  if (!user) throw new Error(`no such user: ${login}`);
  return user;
}

export function accountOf(login: string): User | Organization {
  return ORGANIZATIONS.find((each) => each.login === login) ?? userOf(login);
}

/** The schema `simple-user` of the REST description, which serves for organizations too. */
export function simpleUser(account: User | Organization) {
  const type = isOrganization(account) ? 'Organization' : 'User';
  const url = `https://api.github.com/users/${account.login}`;
  return {
    login: account.login,
    id: account.id,
    node_id: btoa(`04:${type}${account.id}`),
    avatar_url: `https://avatars.githubusercontent.com/u/${account.id}?v=4`,
    gravatar_id: '',
    url,
    html_url: `https://github.com/${account.login}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type,
    site_admin: false,
  };
}
