import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { GrantBook, Held } from './book.ts';
import { PREFIXES } from './servers.ts';

/** A team, and the brands that it owns. */
export interface Team {
  id: string;
  brands: string[];
}

export interface Person {
  id: string;
  token: string;
  team: Team | null;
}

/** A connection that stands on the order's grant. */
export interface Member {
  connectionId: string;
  person: Person;
  brand: string | null;
  isLiving: boolean;
  held: Held;
  /** Whether its access token is past its time. */
  isExpired: boolean;
}

/** Connections on one grant, and in which order they are ended: those of a step at the same instant. */
export interface Order {
  kind: Kind;
  grant: string;
  members: Member[];
  steps: number[][];
}

/** A kind of provider, as far as it matters to the end of a grant. */
export interface Kind {
  name: keyof typeof PREFIXES;
  provider: string;
  /** The grant's name at the provider. */
  grant: (number: number) => string;
  config: (grant: string) => Record<string, string>;
  /**
   * Which connections hold the very same token: `always` all of them, since the token is the grant; all that live; those
   * that live of one person; or none.
   */
  sameToken: 'always' | 'all' | 'of_a_person' | 'none';
  /** Seconds count for its access tokens. */
  expires: boolean;
  /** What ends there is each token by itself: it is the connection's own, though others live on the key. */
  endsAlone?: true;
}

const none = () => ({});

export const kinds: readonly Kind[] = [
  {
    name: 'github',
    provider: 'github',
    grant: (number) => String(1_000_000 + number),
    config: none,
    sameToken: 'of_a_person',
    expires: false,
  },
  {
    name: 'slack',
    provider: 'slack',
    grant: (number) => `T0A${number}`,
    config: none,
    sameToken: 'all',
    expires: false,
  },
  {
    name: 'slack_rotating',
    provider: 'slack',
    grant: (number) => `T0R${number}`,
    config: none,
    sameToken: 'none',
    expires: true,
  },
  {
    name: 'google_ads',
    provider: 'google_ads',
    grant: (number) => String(100_000_000_000_000 + number),
    config: none,
    sameToken: 'none',
    expires: true,
  },
  {
    name: 'tiktok',
    provider: 'tiktok',
    grant: (number) => String(7_000_000_000_000 + number),
    config: none,
    sameToken: 'always',
    expires: false,
  },
  {
    name: 'shopify',
    provider: 'shopify',
    grant: (number) => `shop-${number}.myshopify.com`,
    config: (shop) => ({ shop }),
    sameToken: 'none',
    expires: true,
  },
  {
    name: 'zendesk',
    provider: 'zendesk',
    grant: (number) => `desk-${number}`,
    config: (subdomain) => ({ subdomain, client_id: 'reeve' }),
    sameToken: 'none',
    expires: true,
    endsAlone: true,
  },
];

const DEAD = 0.35;
const OF_THE_SAME_PERSON = 0.3;
const WITHOUT_A_TEAM = 0.2;
const AT_ONCE = 0.3;
const OUTAGE = 0.1;

/** Makes orders, each on a grant of its own, with what its provider knows of it. */
export function orderMaker(book: GrantBook, teams: readonly Team[], random: () => number) {
  const oneOf = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;

  function newPerson(): Person {
    const team = random() < WITHOUT_A_TEAM ? null : oneOf(teams);
    return { id: randomUUID(), token: `session-${randomBytes(24).toString('base64url')}`, team };
  }

  /** Somebody new, or another brand of whoever came before. */
  function seatAfter(before: readonly Pick<Member, 'person' | 'brand'>[]): Pick<Member, 'person' | 'brand'> {
    const last = before.at(-1);
    if (last?.person.team && random() < OF_THE_SAME_PERSON) {
      const taken = before.filter(({ person }) => person === last.person).map(({ brand }) => brand);
      const brand = last.person.team.brands.find((each) => !taken.includes(each));
      if (brand !== undefined) return { person: last.person, brand };
    }
    const person = newPerson();
    return { person, brand: person.team && oneOf(person.team.brands) };
  }

  return function order(number: number): Order {
    const kind = kinds[number % kinds.length] as Kind;
    const grant = kind.grant(number);
    const issue = (isExpired = false) => book.issue(grant, PREFIXES[kind.name], isExpired);
    const size = 2 + Math.floor(random() * 4);
    const seats: Pick<Member, 'person' | 'brand'>[] = [];
    while (seats.length < size) seats.push(seatAfter(seats));

    const members: Member[] = [];
    for (const seat of seats) {
      const isLiving = random() >= DEAD;
      const isExpired = kind.expires && !isLiving && random() < 0.5;
      // A twin holds the token that the other one has got.
      const twin = members.find(
        (each) =>
          kind.sameToken === 'always' ||
          (each.isLiving === isLiving &&
            (kind.sameToken === 'all' || (kind.sameToken === 'of_a_person' && each.person === seat.person))),
      );
      const held = twin?.held ?? issue(isExpired);
      members.push({ ...seat, connectionId: randomUUID(), isLiving, held, isExpired });
    }
    const living = members.find(({ isLiving }) => isLiving);
    for (const member of members.filter(({ isLiving }) => !isLiving)) {
      // It may be dead to us alone: a person is needed for another reason, or it is the living one's own token.
      if (kind.sameToken === 'all' && living && random() < 0.5) member.held = living.held;
      if (member.held !== living?.held && random() < 0.5) book.kill(member.held);
    }
    if (random() < OUTAGE) book.failOn(grant, 1 + Math.floor(random() * 2));
    return { kind, grant, members, steps: stepsOf(size) };
  };

  function stepsOf(size: number): number[][] {
    const left = Array.from({ length: size }, (_, at) => at);
    const steps: number[][] = [];
    while (left.length > 0) {
      const [next] = left.splice(Math.floor(random() * left.length), 1) as [number];
      const last = steps.at(-1);
      if (last && random() < AT_ONCE) last.push(next);
      else steps.push([next]);
    }
    return steps;
  }
}

export const sessionId = (token: string) => createHash('sha256').update(token).digest('hex');
