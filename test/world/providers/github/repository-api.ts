import { Hono } from 'hono';
import { z } from 'zod';
import { type Books, type CallerEnv, listed, NOT_FOR_APPS, readable, type UserEnv } from './caller.ts';
import { refuse } from './door.ts';
import { pageOf, pageQuery } from './paging.ts';
import { pullObject, pullsOf } from './pulls.ts';
import { fullRepository, type Repository } from './repositories.ts';

const LIST_PAGE = '/repos/repos#list-repositories-for-the-authenticated-user';
const PULLS_PAGE = '/pulls/pulls#list-pull-requests';

const repositoryQuery = z.strictObject({
  ...pageQuery,
  visibility: z.enum(['all', 'public', 'private']).optional(),
  affiliation: z
    .string()
    .regex(/^(owner|collaborator|organization_member)(,(owner|collaborator|organization_member))*$/)
    .optional(),
  type: z.enum(['all', 'owner', 'public', 'private', 'member']).optional(),
  sort: z.enum(['created', 'updated', 'pushed', 'full_name']).default('full_name'),
  direction: z.enum(['asc', 'desc']).optional(),
  since: z.iso.datetime().default(''),
  before: z.iso.datetime().default('~'),
});

const pullQuery = z.strictObject({
  ...pageQuery,
  state: z.enum(['open', 'closed', 'all']).default('open'),
  head: z.string().optional(),
  base: z.string().optional(),
  sort: z.enum(['created', 'updated', 'popularity', 'long-running']).default('created'),
  direction: z.enum(['asc', 'desc']).optional(),
});

const SORT_KEYS = {
  created: 'created_at',
  updated: 'updated_at',
  pushed: 'pushed_at',
  full_name: 'full_name',
} as const;

/** GET /user/repos, for a person's token. */
export function userRepositories(books: Books): Hono<UserEnv> {
  return new Hono<UserEnv>().get('/user/repos', (c) => {
    const query = repositoryQuery.safeParse(c.req.query());
    // Ignoring an unknown parameter is what the real service does; here it would hide a misspelt one.
    if (!query.success) return refuse(422, 'Validation Failed', LIST_PAGE);
    const { visibility, affiliation, type, sort, direction, since, before } = query.data;
    if (type !== undefined && (visibility !== undefined || affiliation !== undefined)) {
      return refuse(422, 'If you specify visibility or affiliation, you cannot specify type.');
    }
    const { record } = c.var;
    const sides = affiliation?.split(',');
    const isWanted = ({ owner, readers }: Repository) => {
      if (owner === record.login) return type !== 'member' && (sides?.includes('owner') ?? true);
      const side = readers?.includes(record.login) ? 'collaborator' : 'organization_member';
      return type !== 'owner' && (sides?.includes(side) ?? true);
    };
    const wanted = visibility ?? type ?? 'all';
    const key = SORT_KEYS[sort];
    const sign = (direction ?? (sort === 'full_name' ? 'asc' : 'desc')) === 'asc' ? 1 : -1;
    const matching = listed(record, books)
      .filter(isWanted)
      .map((repository) => fullRepository(repository, record.login))
      .filter(({ visibility }) =>
        wanted === 'public' || wanted === 'private' ? visibility === wanted : true,
      )
      .filter(({ updated_at }) => updated_at > since && updated_at < before)
      .sort((a, b) => sign * a[key].localeCompare(b[key]));
    return c.json(pageOf(c, matching, query.data));
  });
}

/** What is inside a repository, for any token. */
export function repositoryContents(books: Books): Hono<CallerEnv> {
  return new Hono<CallerEnv>().get('/repos/:owner/:repo/pulls', (c) => {
    const { caller } = c.var;
    const { owner, repo } = c.req.param();
    const repository = readable(caller, `${owner}/${repo}`, books);
    if (repository instanceof Response) return repository;
    const mayRead = caller.kind === 'user' || caller.token.permissions.pull_requests !== undefined;
    if (repository.private && !mayRead) return refuse(403, NOT_FOR_APPS, PULLS_PAGE);
    const query = pullQuery.safeParse(c.req.query());
    if (!query.success) return refuse(422, 'Validation Failed', PULLS_PAGE);
    const { state, head, base, sort, direction } = query.data;
    // None has a comment, so that the most popular is only the newest.
    const key = sort === 'updated' ? 'updated_at' : 'created_at';
    const sign = (direction ?? (sort === 'created' ? 'desc' : 'asc')) === 'asc' ? 1 : -1;
    const viewer = caller.kind === 'user' ? caller.record.login : null;
    const matching = pullsOf(repository)
      .map((pull) => pullObject(pull, repository, viewer))
      .filter((pull) => state === 'all' || pull.state === state)
      .filter((pull) => head === undefined || pull.head.label === head)
      .filter((pull) => base === undefined || pull.base.ref === base)
      .sort((a, b) => sign * a[key].localeCompare(b[key]));
    return c.json(pageOf(c, matching, query.data));
  });
}
