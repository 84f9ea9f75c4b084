import type { StagedWorld } from '../stage.ts';

/** Why a connection has ended, as its last event says. */
export type Reason = 'owner_gone' | 'brand_gone' | 'membership_ended';

/** What a team may hear of a connection from then on: nothing, that it has ended, or all that happens. */
export type Hearing = 'nothing' | 'end' | 'all';

/** Whom it concerns, by id: the owner, the team they are in, and another one. */
export interface Concerned {
  owner: string;
  from: string;
  to: string;
}

/** How an owner comes to leave, or to be elsewhere. */
export interface Way {
  name: string;
  /** Null where the connections live on. */
  reason: Reason | null;
  /** Connected without a brand, which is nobody's but the owner's. */
  isOwnScope?: true;
  /** The owner is in the other team, too. */
  isInBoth?: true;
  hears: { from: Hearing; to: Hearing };
  /** The one statement. */
  leave: (whose: Concerned) => [text: string, values: string[]];
}

export const ways: readonly Way[] = [
  {
    name: 'member out of the team',
    reason: 'membership_ended',
    hears: { from: 'end', to: 'nothing' },
    leave: ({ owner, from }) => [
      'delete from team_members where team_id = $1 and user_id = $2',
      [from, owner],
    ],
  },
  {
    name: 'user deleted',
    reason: 'owner_gone',
    hears: { from: 'end', to: 'nothing' },
    leave: ({ owner }) => ['delete from users where id = $1', [owner]],
  },
  {
    name: 'team deleted',
    reason: 'brand_gone',
    hears: { from: 'nothing', to: 'nothing' },
    leave: ({ from }) => ['delete from teams where id = $1', [from]],
  },
  {
    name: 'brand deleted',
    reason: 'brand_gone',
    hears: { from: 'end', to: 'nothing' },
    leave: ({ from }) => ['delete from brands where team_id = $1', [from]],
  },
  {
    name: 'brand moved away',
    reason: 'membership_ended',
    hears: { from: 'nothing', to: 'end' },
    leave: ({ from, to }) => ['update brands set team_id = $2 where team_id = $1', [from, to]],
  },
  {
    name: 'brand moved along with its owner',
    reason: null,
    isInBoth: true,
    hears: { from: 'nothing', to: 'all' },
    leave: ({ from, to }) => ['update brands set team_id = $2 where team_id = $1', [from, to]],
  },
  {
    name: 'second team joined',
    reason: null,
    isOwnScope: true,
    hears: { from: 'nothing', to: 'nothing' },
    leave: ({ owner, to }) => ['insert into team_members (team_id, user_id) values ($1, $2)', [to, owner]],
  },
];

/** Lets it happen, as the Cockpit does. */
export async function happens(world: StagedWorld, way: Way, whose: Concerned): Promise<void> {
  const [text, values] = way.leave(whose);
  await world.sql(text, values);
}
