import { invoiceData } from './invoice.ts';
import { type EventData, type Moment, newId } from './moment.ts';
import { paymentIntentData } from './payment-intent.ts';
import { subscriptionData } from './subscription.ts';

/** Objects whose events are named beneath another's: `customer.source.created` has a `source`. */
const PARENTS = new Set(['account', 'application_fee', 'charge', 'customer', 'source']);

const PREFIXES: Record<string, string> = {
  account: 'acct',
  charge: 'ch',
  'checkout.session': 'cs',
  customer: 'cus',
  dispute: 'du',
  payment_method: 'pm',
  payout: 'po',
  price: 'price',
  product: 'prod',
  refund: 're',
};

/** What an event of that name carries, as of 2026-10-28.endive whatever the endpoint's version; `members` go over it. */
export function eventData(name: string, moment: Moment, members: Record<string, unknown>): EventData {
  const data = dataOf(name, moment);
  return { ...data, object: { ...data.object, ...members } };
}

function dataOf(name: string, moment: Moment): EventData {
  const at = name.lastIndexOf('.');
  const [kind, what] = [name.slice(0, at), name.slice(at + 1)];
  if (kind === 'payment_intent') return paymentIntentData(what, moment);
  if (kind === 'customer.subscription') return subscriptionData(what, moment);
  if (kind === 'invoice') return invoiceData(what, moment);
  return otherData(kind, what, moment);
}

/** Enough of any other object to be one. */
function otherData(kind: string, what: string, { created, livemode }: Moment): EventData {
  const [first = '', ...rest] = kind.split('.');
  const object = PARENTS.has(first) && rest.length > 0 ? rest.join('.') : kind;
  const isUpdate = what === 'updated';
  return {
    object: {
      id: newId(PREFIXES[object] ?? 'obj'),
      object,
      created,
      livemode,
      metadata: isUpdate ? { order: '42' } : {},
    },
    ...(isUpdate && { previous_attributes: { metadata: { order: null } } }),
  };
}
