import { simpleUser, type User } from './accounts.ts';
import type { Repository } from './repositories.ts';

/** GET /user: the private half only for a token that may read the profile. */
export function fullUser(user: User, scopes: string[], own: Repository[]) {
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
