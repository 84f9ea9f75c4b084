const BOTH = [
  'bookmarks:read',
  'bookmarks:write',
  'calls:read',
  'calls:write',
  'canvases:read',
  'canvases:write',
  'channels:history',
  'channels:read',
  'channels:write.invites',
  'channels:write.topic',
  'chat:write',
  'commands',
  'dnd:read',
  'emoji:read',
  'files:read',
  'files:write',
  'groups:history',
  'groups:read',
  'groups:write',
  'im:history',
  'im:read',
  'im:write',
  'links:read',
  'links:write',
  'mpim:history',
  'mpim:read',
  'mpim:write',
  'pins:read',
  'pins:write',
  'reactions:read',
  'reactions:write',
  'reminders:read',
  'reminders:write',
  'team:read',
  'usergroups:read',
  'usergroups:write',
  'users.profile:read',
  'users:read',
  'users:read.email',
  'users:write',
];
const BOT = [
  'app_mentions:read',
  'assistant:write',
  'channels:join',
  'channels:manage',
  'chat:write.customize',
  'chat:write.public',
  'metadata.message:read',
];
const USER = ['channels:write', 'search:read', 'users.profile:write'];

/** docs.slack.dev/reference/scopes, without the administrators' and without incoming-webhook. */
export const SCOPES = { bot: new Set([...BOTH, ...BOT]), user: new Set([...BOTH, ...USER]) };

/** The scopes of a list with commas, or undefined if one of them is none. */
export function readScopes(list: string | undefined, kind: keyof typeof SCOPES): string[] | undefined {
  const scopes = [...new Set((list ?? '').split(',').filter((scope) => scope !== ''))];
  return scopes.every((scope) => SCOPES[kind].has(scope)) ? scopes : undefined;
}
