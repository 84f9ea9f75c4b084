import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { flag } from './arguments.ts';
import type { Caller, Method } from './door.ts';
import { APP_ID, type Channel, channelsOf, workspacesOf } from './workspaces.ts';

const TYPES = new Map([
  ['public_channel', 'channels:read'],
  ['private_channel', 'groups:read'],
  ['mpim', 'mpim:read'],
  ['im', 'im:read'],
]);

const listArguments = z.strictObject({
  types: z.string().default('public_channel'),
  limit: z.string().default('100'),
  cursor: z.string().optional(),
  exclude_archived: flag.optional(),
  team_id: z.string().optional(),
});

const typesOf = (types: string) => types.split(',').map((type) => type.trim());

const isIn = (channel: Channel, { record }: Caller) => (record.kind === 'bot' ? channel.bot : channel.person);

/** A public channel is seen by all of the workspace, a private one by who is in it. */
const sees = (channel: Channel, caller: Caller) => !channel.private || isIn(channel, caller);

/** conversations.list. */
export const listConversations: Method<z.infer<typeof listArguments>> = {
  verbs: ['GET', 'POST'],
  arguments: listArguments,
  scopes: ({ types }) => typesOf(types).flatMap((type) => TYPES.get(type) ?? []),
  answer({ types, limit, cursor = '', exclude_archived = false, team_id }, caller) {
    const { site } = caller;
    const wanted = typesOf(types);
    if (!wanted.every((type) => TYPES.has(type))) return 'invalid_types';
    if (!/^[1-9]\d{0,2}$/.test(limit)) return 'invalid_limit';
    if (team_id === undefined && site.team === null) return 'missing_argument';
    const workspace = workspacesOf(site).find(({ id }) => id === (team_id ?? site.team?.id));
    if (!workspace) return 'team_access_not_granted';

    const all = channelsOf(workspace)
      .filter((channel) => wanted.includes(channel.private ? 'private_channel' : 'public_channel'))
      .filter((channel) => sees(channel, caller));
    const start = cursor === '' ? 0 : all.findIndex(({ id }) => cursor === btoa(`team:${id}`));
    if (start === -1) return 'invalid_cursor';
    const after = all[start + Number(limit)];
    // What is left out is left out of the page: it may be shorter than `limit`.
    const channels = all
      .slice(start, start + Number(limit))
      .filter(({ archived }) => !(exclude_archived && archived))
      .map((channel) => channelObject(channel, isIn(channel, caller)));
    return { channels, response_metadata: { next_cursor: after ? btoa(`team:${after.id}`) : '' } };
  },
};

function channelObject(channel: Channel, isMember: boolean) {
  const nothing = { value: '', creator: '', last_set: 0 };
  return {
    id: channel.id,
    name: channel.name,
    name_normalized: channel.name,
    is_channel: !channel.private,
    is_group: channel.private,
    is_im: false,
    is_mpim: false,
    is_private: channel.private,
    is_general: channel.name === 'general',
    is_archived: channel.archived,
    is_member: isMember,
    is_shared: false,
    is_ext_shared: false,
    is_org_shared: false,
    context_team_id: channel.team,
    created: 1_767_225_600,
    creator: 'U0000000001',
    unlinked: 0,
    topic: nothing,
    purpose: nothing,
    num_members: 12,
  };
}

const messageArguments = z.strictObject({
  channel: z.string().optional(),
  text: z.string().optional(),
  blocks: z.string().optional(),
  attachments: z.string().optional(),
  markdown_text: z.string().optional(),
  thread_ts: z
    .string()
    .regex(/^\d+\.\d{6}$/)
    .optional(),
  reply_broadcast: flag.optional(),
  as_user: flag.optional(),
  icon_emoji: z.string().optional(),
  icon_url: z.string().optional(),
  username: z.string().optional(),
  link_names: flag.optional(),
  metadata: z.string().optional(),
  mrkdwn: flag.optional(),
  parse: z.enum(['full', 'none']).optional(),
  unfurl_app_links: flag.optional(),
  unfurl_links: flag.optional(),
  unfurl_media: flag.optional(),
});

/** chat.postMessage. */
export function postMessage({ store, now }: SimulatorContext): Method<z.infer<typeof messageArguments>> {
  return {
    verbs: ['POST'],
    json: true,
    arguments: messageArguments,
    scopes: ({ username, icon_emoji, icon_url }) => [
      'chat:write',
      ...((username ?? icon_emoji ?? icon_url) === undefined ? [] : ['chat:write.customize']),
    ],
    answer({ channel, text = '', blocks, attachments, markdown_text, thread_ts, as_user }, caller) {
      const { record, site } = caller;
      const found = findChannel(channel ?? '', caller);
      if (typeof found === 'string') return found;
      if (found.archived) return 'is_archived';
      const open = record.kind === 'bot' && record.scopes.includes('chat:write.public');
      if (!isIn(found, caller) && !open) return 'not_in_channel';
      if (as_user) return 'as_user_not_supported';

      const parts = { blocks: listIn(blocks), attachments: listIn(attachments) };
      if (markdown_text !== undefined && (text !== '' || blocks !== undefined))
        return 'markdown_text_conflict';
      if ((markdown_text?.length ?? 0) > 12_000) return 'msg_too_long';
      if (blocks !== undefined && !parts.blocks) return 'invalid_blocks_format';
      if (parts.blocks && (parts.blocks.length > 50 || !parts.blocks.every(({ type }) => type)))
        return 'invalid_blocks';
      if (attachments !== undefined && !parts.attachments) return 'invalid_arguments';
      if ((parts.attachments?.length ?? 0) > 100) return 'too_many_attachments';
      const content = text || markdown_text || '';
      if (content === '' && !parts.blocks?.length && !parts.attachments?.length) return 'no_text';

      const count = (store.get<number>('messages') ?? 0) + 1;
      store.set('messages', count);
      const ts = `${Math.floor(now() / 1000)}.${String(count).padStart(6, '0')}`;
      const bot = record.kind === 'bot';
      return {
        channel: found.id,
        ts,
        message: {
          type: 'message',
          user: bot ? site.bot.userId : site.person.id,
          ...(bot && { bot_id: site.bot.id }),
          app_id: APP_ID,
          team: found.team,
          text: content.slice(0, 40_000),
          ...(parts.blocks && { blocks: parts.blocks }),
          ...(parts.attachments && { attachments: parts.attachments }),
          ...(thread_ts !== undefined && { thread_ts }),
          ts,
        },
      };
    },
  };
}

/** By id, or a public one by name; an organization has no names, for two workspaces may have the same. */
function findChannel(wanted: string, caller: Caller): Channel | string {
  const visible = workspacesOf(caller.site)
    .flatMap(channelsOf)
    .filter((channel) => sees(channel, caller));
  const byId = visible.find(({ id }) => id === wanted);
  if (byId) return byId;
  if (caller.site.team === null && !/^[CDGU][A-Z0-9]{8,}$/.test(wanted)) return 'team_not_found';
  const name = wanted.replace(/^#/, '');
  return visible.find((channel) => !channel.private && channel.name === name) ?? 'channel_not_found';
}

/** Text with a JSON list of objects in it. */
function listIn(text: string | undefined): Record<string, unknown>[] | undefined {
  try {
    return z.array(z.record(z.string(), z.unknown())).parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}
