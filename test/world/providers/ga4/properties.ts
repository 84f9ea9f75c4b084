import type { Store } from '../../store.ts';

/** A GA4 property, and the Analytics account it is part of. */
export interface Property {
  id: string;
  displayName: string;
  account: { id: string; displayName: string };
  timeZone: string;
  currencyCode: string;
}

const ACME = { id: '100200', displayName: 'Acme' };
const GLOBEX = { id: '300400', displayName: 'Globex' };

const PROPERTIES: Property[] = [
  {
    id: '333000111',
    displayName: 'Acme Shop',
    account: ACME,
    timeZone: 'Europe/Berlin',
    currencyCode: 'EUR',
  },
  {
    id: '333000222',
    displayName: 'Acme Blog',
    account: ACME,
    timeZone: 'Europe/Berlin',
    currencyCode: 'EUR',
  },
  {
    id: '444000333',
    displayName: 'Globex Web',
    account: GLOBEX,
    timeZone: 'America/New_York',
    currencyCode: 'USD',
  },
];

/** The property with this id; one that nobody has heard of is made, in Acme's account. */
export function propertyOf(store: Store, id: string): Property {
  const known = findProperty(store, id);
  if (known) return known;
  const made = {
    id,
    displayName: `Property ${id}`,
    account: ACME,
    timeZone: 'Etc/GMT',
    currencyCode: 'USD',
  };
  store.set(`property/${id}`, made);
  return made;
}

export function findProperty(store: Store, id: string): Property | undefined {
  return PROPERTIES.find((property) => property.id === id) ?? store.get<Property>(`property/${id}`);
}
