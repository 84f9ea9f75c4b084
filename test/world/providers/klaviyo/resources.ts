import { z } from 'zod';
import { invalid } from './errors.ts';
import type { AccountRecord } from './keys.ts';
import type { Limit } from './limits.ts';

const fields = z.string().regex(/^[a-z_.]+(,[a-z_.]+)*$/);
const paging = (most: number) => ({
  'page[cursor]': z.string().optional(),
  'page[size]': z.coerce.number().int().min(1).max(most).optional(),
});

export interface Resource {
  scope: string;
  limit: Limit;
  query: z.ZodType<Record<string, unknown>>;
}

export const ACCOUNTS: Resource = {
  scope: 'accounts:read',
  limit: { burst: 1, steady: 15 },
  query: z.strictObject({ 'fields[account]': fields.optional() }),
};

/** The lists behind Reeve's tools, which are empty: parameters, scopes and limits of revision 2026-07-15. */
export const LISTS: Record<string, Resource> = {
  campaigns: {
    scope: 'campaigns:read',
    limit: { burst: 10, steady: 150 },
    query: z.strictObject({
      // The channel must be said.
      filter: z.string().regex(/equals\(messages\.channel,(['"])(email|sms|mobile_push)\1\)/),
      'fields[campaign]': fields.optional(),
      'fields[campaign-message]': fields.optional(),
      'fields[tag]': fields.optional(),
      include: z.string().optional(),
      sort: z.string().optional(),
      ...paging(100),
    }),
  },
  flows: {
    scope: 'flows:read',
    limit: { burst: 3, steady: 60 },
    query: z.strictObject({
      filter: z.string().optional(),
      'fields[flow]': fields.optional(),
      'fields[flow-action]': fields.optional(),
      'fields[tag]': fields.optional(),
      include: z.string().optional(),
      sort: z.string().optional(),
      ...paging(50),
    }),
  },
  segments: members('segment'),
  lists: members('list'),
  metrics: {
    scope: 'metrics:read',
    limit: { burst: 10, steady: 150 },
    query: z.strictObject({
      filter: z.string().optional(),
      'fields[metric]': fields.optional(),
      'fields[flow]': fields.optional(),
      include: z.string().optional(),
      'page[cursor]': z.string().optional(),
    }),
  },
};

function members(name: string): Resource {
  return {
    scope: `${name}s:read`,
    limit: { burst: 75, steady: 750 },
    query: z.strictObject({
      filter: z.string().optional(),
      [`fields[${name}]`]: fields.optional(),
      'fields[flow]': fields.optional(),
      'fields[tag]': fields.optional(),
      include: z.string().optional(),
      sort: z.string().optional(),
      ...paging(10),
    }),
  };
}

/** Refuses a parameter that is unknown, missing or wrong. */
export function checkQuery({ query }: Resource, url: URL): void {
  const result = query.safeParse(Object.fromEntries(url.searchParams));
  const issue = result.error?.issues[0];
  if (!issue) return;
  const name = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path[0];
  throw invalid(`'${String(name)}' is not a valid parameter for this resource.`, { parameter: String(name) });
}

/** developers.klaviyo.com/en/reference/get_accounts; `only` are the sparse fields. */
export function accountObject({ id, name, test }: AccountRecord) {
  return {
    type: 'account',
    id,
    attributes: {
      test_account: test,
      contact_information: {
        default_sender_name: name,
        default_sender_email: 'hello@acme.example',
        website_url: 'https://acme.example',
        organization_name: name,
        street_address: {
          address1: '125 Summer St',
          address2: '5th Floor',
          city: 'Boston',
          region: 'MA',
          country: 'United States',
          zip: '02110',
        },
      },
      industry: 'Software / SaaS',
      timezone: 'US/Eastern',
      preferred_currency: 'USD',
      public_api_key: id,
      locale: 'en-US',
    },
    links: { self: `https://a.klaviyo.com/api/accounts/${id}/` },
  };
}
