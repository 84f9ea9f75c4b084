import { simpleUser } from './accounts.ts';
import { eventRepository, idAt, type Scene, sha, type Told, tipOf } from './event-parts.ts';
import { toIso } from './installations.ts';
import { nextPull, pullObject } from './pulls.ts';
import { fullName } from './repositories.ts';

/** The one event without an action; its repository has times in seconds and a few keys from older days. */
export function push(scene: Scene): Told {
  const { repository, sender, ref = 'refs/heads/main' } = scene;
  const name = fullName(repository);
  const commit = tipOf(scene, ref);
  const before = sha(name, ref, 'before', scene.now);
  const seen = eventRepository(repository);
  const fields = {
    ref,
    before,
    after: commit.id,
    created: false,
    deleted: false,
    forced: false,
    base_ref: null,
    compare: `https://github.com/${name}/compare/${before.slice(0, 12)}...${commit.id.slice(0, 12)}`,
    commits: [commit],
    head_commit: commit,
    pusher: { name: sender.login, email: commit.author.email },
    repository: {
      ...seen,
      owner: { name: repository.owner, email: null, ...seen.owner },
      url: seen.html_url,
      created_at: Math.floor(Date.parse(seen.created_at) / 1000),
      updated_at: toIso(scene.now),
      pushed_at: Math.floor(scene.now / 1000),
      stargazers: 0,
      master_branch: seen.default_branch,
    },
  };
  return { action: null, fields };
}

export function pullRequest(scene: Scene): Told {
  const { repository, sender, now, action = 'opened' } = scene;
  const isClosed = action === 'closed';
  const pull = nextPull(repository, sender.login, toIso(now), isClosed);
  const { head, base, ...seen } = pullObject(pull, repository, null);
  const repo = eventRepository(repository);
  const pull_request = {
    ...seen,
    head: { ...head, repo },
    base: { ...base, repo },
    merged: isClosed,
    merged_by: isClosed ? simpleUser(sender) : null,
    mergeable: null,
    mergeable_state: 'unknown',
    rebaseable: null,
    maintainer_can_modify: false,
    comments: 0,
    review_comments: 0,
    commits: 1,
    additions: 4,
    deletions: 1,
    changed_files: 1,
  };
  return { action, fields: { number: pull.number, pull_request } };
}

export function issues({ repository, sender, now, action = 'opened' }: Scene): Told {
  const name = fullName(repository);
  const number = 2000;
  const url = `https://api.github.com/repos/${name}/issues/${number}`;
  const issue = {
    id: idAt(now),
    node_id: btoa(`05:Issue${idAt(now)}`),
    url,
    repository_url: `https://api.github.com/repos/${name}`,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    html_url: `https://github.com/${name}/issues/${number}`,
    number,
    title: 'The greeting is too long',
    user: simpleUser(sender),
    labels: [],
    state: action === 'closed' ? 'closed' : 'open',
    state_reason: action === 'closed' ? 'completed' : null,
    locked: false,
    assignee: null,
    assignees: [],
    milestone: null,
    comments: 0,
    created_at: toIso(now),
    updated_at: toIso(now),
    closed_at: action === 'closed' ? toIso(now) : null,
    author_association: 'OWNER',
    active_lock_reason: null,
    body: null,
  };
  return { action, fields: { issue } };
}

export function star({ now, action = 'created' }: Scene): Told {
  return { action, fields: { starred_at: action === 'created' ? toIso(now) : null } };
}
