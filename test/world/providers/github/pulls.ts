import { createHash } from 'node:crypto';
import { simpleUser, userOf } from './accounts.ts';
import { fullName, fullRepository, type Repository } from './repositories.ts';

interface Pull {
  repository: string;
  number: number;
  title: string;
  author: string;
  branch: string;
  draft?: boolean;
  created: string;
  updated: string;
  closed?: string;
  isMerged?: boolean;
}

const PULLS: Pull[] = [
  {
    repository: 'octocat/Hello-World',
    number: 1347,
    title: 'Greet in more languages',
    author: 'hubot',
    branch: 'languages',
    created: '2026-11-18T09:00:00Z',
    updated: '2026-11-23T17:30:00Z',
  },
  {
    repository: 'octocat/Hello-World',
    number: 1348,
    title: 'Try a shorter greeting',
    author: 'octocat',
    branch: 'shorter',
    draft: true,
    created: '2026-11-20T11:00:00Z',
    updated: '2026-11-20T11:05:00Z',
  },
  {
    repository: 'octocat/Hello-World',
    number: 1340,
    title: 'Fix the comma',
    author: 'octocat',
    branch: 'comma',
    created: '2026-11-02T08:00:00Z',
    updated: '2026-11-03T10:00:00Z',
    closed: '2026-11-03T10:00:00Z',
    isMerged: true,
  },
  {
    repository: 'octocat/launch-plans',
    number: 7,
    title: 'Move the launch to spring',
    author: 'octocat',
    branch: 'spring',
    created: '2026-11-10T14:00:00Z',
    updated: '2026-11-12T14:00:00Z',
  },
  {
    repository: 'octo-org/roadmap',
    number: 12,
    title: 'Plan the next quarter',
    author: 'hubot',
    branch: 'next-quarter',
    created: '2026-11-15T07:00:00Z',
    updated: '2026-11-22T07:45:00Z',
  },
];

export function pullsOf(repository: Repository): Pull[] {
  return PULLS.filter((pull) => pull.repository === fullName(repository));
}

/** One that somebody opens now, or merges right away. */
export function nextPull(repository: Repository, author: string, now: string, isMerged: boolean): Pull {
  const highest = Math.max(0, ...pullsOf(repository).map(({ number }) => number));
  return {
    repository: fullName(repository),
    number: highest + 1,
    title: 'Say it louder',
    author,
    branch: 'louder',
    created: now,
    updated: now,
    ...(isMerged && { closed: now, isMerged }),
  };
}

/** The schema `pull-request-simple` of the REST description. */
export function pullObject(pull: Pull, repository: Repository, viewer: string | null) {
  const name = fullName(repository);
  const url = `https://api.github.com/repos/${name}/pulls/${pull.number}`;
  const issue = `https://api.github.com/repos/${name}/issues/${pull.number}`;
  const web = `https://github.com/${name}/pull/${pull.number}`;
  const sha = (what: string) => createHash('sha1').update(`${name}#${pull.number} ${what}`).digest('hex');
  const repo = fullRepository(repository, viewer);
  const side = (ref: string) => ({
    label: `${repository.owner}:${ref}`,
    ref,
    sha: sha(ref),
    user: repo.owner,
    repo,
  });
  const statuses = `https://api.github.com/repos/${name}/statuses/${sha(pull.branch)}`;
  return {
    url,
    id: repository.id * 10_000 + pull.number,
    node_id: btoa(`011:PullRequest${pull.number}`),
    html_url: web,
    diff_url: `${web}.diff`,
    patch_url: `${web}.patch`,
    issue_url: issue,
    commits_url: `${url}/commits`,
    review_comments_url: `${url}/comments`,
    review_comment_url: `https://api.github.com/repos/${name}/pulls/comments{/number}`,
    comments_url: `${issue}/comments`,
    statuses_url: statuses,
    number: pull.number,
    state: pull.closed === undefined ? 'open' : 'closed',
    locked: false,
    title: pull.title,
    user: simpleUser(userOf(pull.author)),
    body: null,
    labels: [],
    milestone: null,
    active_lock_reason: null,
    created_at: pull.created,
    updated_at: pull.updated,
    closed_at: pull.closed ?? null,
    merged_at: pull.isMerged ? (pull.closed ?? null) : null,
    merge_commit_sha: sha('merge'),
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    head: side(pull.branch),
    base: side('main'),
    _links: {
      self: { href: url },
      html: { href: web },
      issue: { href: issue },
      comments: { href: `${issue}/comments` },
      review_comments: { href: `${url}/comments` },
      review_comment: { href: `https://api.github.com/repos/${name}/pulls/comments{/number}` },
      commits: { href: `${url}/commits` },
      statuses: { href: statuses },
    },
    author_association: pull.author === repository.owner ? 'OWNER' : 'CONTRIBUTOR',
    auto_merge: null,
    draft: pull.draft ?? false,
  };
}
