/** Where the app can be installed: a workspace, or an organization with all its workspaces. */
export interface Site {
  name: string;
  domain: string;
  /** Null where the whole organization installs the app. */
  team: { id: string; name: string } | null;
  enterprise: { id: string; name: string } | null;
  /** Who approves. */
  person: { id: string; name: string };
  bot: { id: string; userId: string; name: string };
}

export interface Workspace {
  id: string;
  name: string;
  domain: string;
  enterprise: { id: string; name: string } | null;
}

export interface Channel {
  id: string;
  team: string;
  name: string;
  private: boolean;
  archived: boolean;
  /** Whether the bot and the person who approves are in it. */
  bot: boolean;
  person: boolean;
}

export const APP_ID = 'A0REEVE0001';

const GROUP = { id: 'E0GLOBEX001', name: 'Globex Group' };
const UMBRELLA = { id: 'E0UMBREL001', name: 'Umbrella' };

export const WORKSPACES: Workspace[] = [
  { id: 'T0ACME00001', name: 'Acme', domain: 'acme', enterprise: null },
  { id: 'T0GLOBEX001', name: 'Globex', domain: 'globex', enterprise: GROUP },
  { id: 'T0UMBREL001', name: 'Umbrella Labs', domain: 'umbrella-labs', enterprise: UMBRELLA },
  { id: 'T0UMBREL002', name: 'Umbrella Sales', domain: 'umbrella-sales', enterprise: UMBRELLA },
];

/** Two workspaces, one of them within an organization, and an organization. */
export const SITES: Site[] = [
  {
    name: 'Acme',
    domain: 'acme',
    team: { id: 'T0ACME00001', name: 'Acme' },
    enterprise: null,
    person: { id: 'U0ACMEANN01', name: 'ann' },
    bot: { id: 'B0ACMEBOT01', userId: 'U0ACMEBOT01', name: 'reeve' },
  },
  {
    name: 'Globex',
    domain: 'globex',
    team: { id: 'T0GLOBEX001', name: 'Globex' },
    enterprise: GROUP,
    person: { id: 'U0GLOBHANK1', name: 'hank' },
    bot: { id: 'B0GLOBXBOT1', userId: 'U0GLOBXBOT1', name: 'reeve' },
  },
  {
    name: 'Umbrella',
    domain: 'umbrella.enterprise',
    team: null,
    enterprise: UMBRELLA,
    person: { id: 'W0UMBALICE1', name: 'alice' },
    bot: { id: 'B0UMBRLBOT1', userId: 'U0UMBRLBOT1', name: 'reeve' },
  },
];

/** What tells the sites apart. */
export const siteKey = ({ team, enterprise }: Site) => team?.id ?? enterprise?.id ?? '';

export const siteOf = (key: string) => SITES.find((site) => siteKey(site) === key);

/** The workspaces an installation reaches. */
export function workspacesOf({ team, enterprise }: Site): Workspace[] {
  return WORKSPACES.filter(({ id, enterprise: of }) => (team ? id === team.id : of?.id === enterprise?.id));
}

const CHANNELS = [
  { name: 'general', private: false, archived: false, bot: false, person: true },
  { name: 'random', private: false, archived: false, bot: true, person: true },
  { name: 'old-launch', private: false, archived: true, bot: true, person: true },
  { name: 'marketing', private: false, archived: false, bot: false, person: false },
  { name: 'leadership', private: true, archived: false, bot: true, person: true },
  { name: 'board', private: true, archived: false, bot: false, person: true },
];

/** Every workspace has the same channels. */
export function channelsOf(workspace: Workspace): Channel[] {
  return CHANNELS.map((channel, index) => ({
    ...channel,
    id: `C${workspace.id.slice(1, -1)}${index + 1}${workspace.id.slice(-1)}`,
    team: workspace.id,
  }));
}
