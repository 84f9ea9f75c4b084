import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { World } from '../../world/world.ts';
import type { StagedWorld } from '../stage.ts';
import type { StrictGithub } from './strict-github.ts';

/** Somebody in no team, whose account nobody else has. */
export interface Visitor {
  userId: string;
  token: string;
  /** At the provider, once it was asked. */
  account: number;
}

/** New users, with a session each. */
export async function visitors(world: StagedWorld, count: number): Promise<Visitor[]> {
  const people = Array.from({ length: count }, () => ({
    userId: randomUUID(),
    token: `session-${randomBytes(24).toString('base64url')}`,
    account: 0,
  }));
  await world.sql(
    `with people as (insert into users (id, name) select unnest($2::uuid[]), 'Somebody' returning id)
     insert into sessions (id, user_id, expires_at)
     select unnest($1::text[]), unnest($2::uuid[]), now() + interval '1 day'`,
    [
      people.map(({ token }) => createHash('sha256').update(token).digest('hex')),
      people.map(({ userId }) => userId),
    ],
  );
  return people;
}

/** What a browser sends. */
export interface Visit {
  method: string;
  url: string;
  headers: Record<string, string>;
}

export function visit(world: World, { token }: Visitor, method: string, path: string): Visit {
  return { method, url: `${world.url}${path}`, headers: { authorization: `Bearer ${token}` } };
}

/** The person's browser on its way back from the provider, where everything was approved. */
export async function comingBack(world: World, github: StrictGithub, visitor: Visitor): Promise<Visit> {
  const { url, headers } = visit(world, visitor, 'GET', '/api/oauth/github/authorize');
  const begun = await fetch(url, { headers });
  if (begun.status !== 200) throw new Error(`authorize answered ${begun.status}`);
  const { authorization_url } = (await begun.json()) as { authorization_url: string };
  const state = new URL(authorization_url).searchParams.get('state') ?? '';
  const cookie = begun.headers.getSetCookie().map((each) => each.split(';')[0]);
  const { account, code } = github.approve();
  visitor.account = account;
  return {
    method: 'GET',
    url: `${world.url}/api/oauth/github/callback?${new URLSearchParams({ code, state })}`,
    headers: { cookie: cookie.join('; '), accept: 'application/json' },
  };
}

/** A whole sign-in. */
export async function signIn(world: World, github: StrictGithub, visitor: Visitor): Promise<void> {
  const { url, headers } = await comingBack(world, github, visitor);
  const reply = await fetch(url, { headers });
  if (reply.status !== 200) throw new Error(`the callback answered ${reply.status} ${await reply.text()}`);
}

/** Runs `work` for all, ten at a time. */
export async function forAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += 10) {
    await Promise.all(items.slice(from, from + 10).map(work));
  }
}
