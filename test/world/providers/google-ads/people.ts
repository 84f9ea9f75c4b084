/** A Google account, with the Ads customers it was invited to (direct access). */
export interface Person {
  sub: string;
  email: string;
  name: string;
  customers: string[];
}

/** An Ads account; `manager` is the one it is linked under. */
export interface Customer {
  id: string;
  name: string;
  currency: string;
  timeZone: string;
  isManager: boolean;
  isTest: boolean;
  status: 'ENABLED' | 'CANCELED';
  manager: string | null;
}

const ordinary = {
  currency: 'EUR',
  timeZone: 'Europe/Berlin',
  isManager: false,
  isTest: false,
  status: 'ENABLED',
  manager: null,
} as const;

const customers: Customer[] = [
  { ...ordinary, id: '1234567890', name: 'Acme Shop' },
  { ...ordinary, id: '9876543210', name: 'Acme Agency', isManager: true },
  { ...ordinary, id: '2345678901', name: 'Agency Client One', manager: '9876543210' },
  { ...ordinary, id: '3456789012', name: 'Agency Client Two', manager: '9876543210', currency: 'USD' },
  { ...ordinary, id: '4567890123', name: 'Closed Shop', status: 'CANCELED' },
  { ...ordinary, id: '5678901234', name: 'Globex', currency: 'USD', timeZone: 'America/New_York' },
  { ...ordinary, id: '6789012345', name: 'Globex Test', isTest: true },
];

export const CUSTOMERS: ReadonlyMap<string, Customer> = new Map(
  customers.map((customer) => [customer.id, customer]),
);

export const PEOPLE: readonly Person[] = [
  { sub: '100000000000000000001', email: 'ada@acme.example', name: 'Ada Acme', customers: ['1234567890'] },
  {
    sub: '100000000000000000002',
    email: 'max@agency.example',
    name: 'Max Manager',
    customers: ['9876543210', '4567890123'],
  },
  {
    sub: '100000000000000000003',
    email: 'gil@globex.example',
    name: 'Gil Globex',
    customers: ['5678901234', '6789012345'],
  },
  { sub: '100000000000000000004', email: 'noads@plain.example', name: 'Nora Noads', customers: [] },
];

export function person(email: string): Person | undefined {
  return PEOPLE.find((each) => each.email === email);
}

/** The customers under a manager, at any depth, itself first. */
export function hierarchy(id: string, level = 0): Array<{ customer: Customer; level: number }> {
  const customer = CUSTOMERS.get(id);
  if (!customer) return [];
  const below = customers.filter((each) => each.manager === id);
  return [{ customer, level }, ...below.flatMap((each) => hierarchy(each.id, level + 1))];
}
