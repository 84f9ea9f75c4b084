import type { GrantBook } from './book.ts';
import type { Member, Order } from './orders.ts';

/** A DELETE that was answered, and when it was under way, by performance.now(). */
export interface Disconnected {
  member: Member;
  status: number;
  revocation: string;
  begun: number;
  ended: number;
}

export type Fault =
  | 'answer'
  | 'shared with nobody'
  | 'not shared with the living'
  | 'revoked and not confirmed'
  | 'confirmed and not revoked'
  | 'living lost'
  | 'left alive';

/** What went wrong, counted, with the first of each told. */
export class Verdict {
  readonly #faults = new Map<Fault, { kind: string; what: string }[]>();
  disconnects = 0;
  readonly revocations = new Map<string, number>();

  note(fault: Fault, { kind, grant }: Order, what: string): void {
    const faults = this.#faults.get(fault) ?? [];
    this.#faults.set(fault, faults);
    faults.push({ kind: kind.name, what: `${kind.name} ${grant}: ${what}` });
  }

  /** How often it was seen, by kind, and the first; 0 where it never was. */
  of(fault: Fault): string | 0 {
    const faults = this.#faults.get(fault);
    if (!faults) return 0;
    const each = new Map<string, number>();
    for (const { kind } of faults) each.set(kind, (each.get(kind) ?? 0) + 1);
    const counts = [...each].map(([kind, count]) => `${count} ${kind}`).join(', ');
    return `${counts}; first ${faults[0]?.what}`;
  }

  /** Holds a step's answers to what the contract says; `living` are those that stand beside it, untouched. */
  step(book: GrantBook, order: Order, answers: readonly Disconnected[], living: readonly Member[]): void {
    const text = `${describe(order)}: ${answers.map((each) => `${name(order, each.member)} ${each.revocation}`).join(', ')}`;
    for (const answer of answers) {
      this.disconnects += 1;
      const { revocation, status } = answer;
      this.revocations.set(revocation, (this.revocations.get(revocation) ?? 0) + 1);
      if (status !== 200) this.note('answer', order, `${text} (${status})`);
      else if (revocation !== 'shared') this.#ended(book, order, answer, text, answers.length === 1);
    }
    this.#shared(order, answers, living, text);
    for (const member of living)
      if (!book.lives(member.held)) this.note('living lost', order, `${text}; ${name(order, member)} lost`);
  }

  #ended(book: GrantBook, order: Order, answer: Disconnected, text: string, isAlone: boolean): void {
    const during = book.words(order.grant).filter(({ at }) => at >= answer.begun && at <= answer.ended);
    const own = book.pairOf(answer.member.held);
    const ofOwn = during.filter(({ pair }) => pair === own);
    const isConfirmed = ofOwn.length > 0 || during.some(({ said }) => said === 'grant ended');
    if (answer.revocation === 'revoked' && !isConfirmed)
      this.note('revoked and not confirmed', order, `${text} at ${name(order, answer.member)}`);
    // Of one token that had ended before, while others of its grant live and wait for their end, the grant is not over.
    const isOver = ofOwn.some(({ said, left }) => said !== 'unknown' || order.kind.endsAlone || left === 0);
    // What was said to several at the same instant may have been said to the other one.
    if (answer.revocation !== 'revoked' && isOver && isAlone)
      this.note('confirmed and not revoked', order, `${text} at ${name(order, answer.member)}`);
  }

  #shared(order: Order, answers: readonly Disconnected[], living: readonly Member[], text: string): void {
    const isShared = ({ revocation }: Disconnected) => revocation === 'shared';
    if (living.length > 0) {
      // A token that is the connection's own may be said to have ended, though others live on its key.
      const wrong = answers.filter(
        (each) => !isShared(each) && !(order.kind.endsAlone && each.revocation === 'revoked'),
      );
      if (wrong.length > 0) this.note('not shared with the living', order, text);
      return;
    }
    // Of those that lived and ended at once, one was the last; a dead one came before or after that one.
    const last = answers.filter(({ member }) => member.isLiving);
    if (last.length === 0) {
      if (answers.some(isShared)) this.note('shared with nobody', order, text);
      return;
    }
    const shared = last.filter(isShared).length;
    if (shared === last.length) this.note('shared with nobody', order, text);
    if (shared < last.length - 1 && !order.kind.endsAlone)
      this.note('not shared with the living', order, text);
  }
}

function name({ members }: Order, member: Member): string {
  return `${member.isLiving ? 'L' : member.isExpired ? 'x' : 'd'}${members.indexOf(member)}`;
}

function describe(order: Order): string {
  const { members, steps } = order;
  return steps.map((step) => step.map((at) => name(order, members[at] as Member)).join('+')).join(' ');
}
