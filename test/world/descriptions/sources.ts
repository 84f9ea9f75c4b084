import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Definition, operationsOf, type Parameter } from './definition.ts';
import type { Description } from './description.ts';
import type { GraphqlOptions } from './graphql.ts';
import type { OpenApiOptions } from './openapi.ts';
import { allInTheQuery, inTheQuery } from './slack.ts';

export interface Source {
  open(directory: string): Promise<Description>;
  /** Of an older time: what doesn't fit is a doubt and no violation. */
  isOld?: true;
}

// The packages are big: who checks nothing doesn't wait for them.
const openapi = (file: string, options: OpenApiOptions = {}): Source => ({
  open: async (directory) => {
    const { openApi } = await import('./openapi.ts');
    return openApi(path.join(directory, file), options);
  },
});

const sdl = (file: string, options: GraphqlOptions): Source => ({
  open: async (directory) => {
    const { graphql } = await import('./graphql.ts');
    return graphql(await readFile(path.join(directory, file), 'utf8'), options);
  },
});

/** The descriptions of each provider; the first that knows a request's path decides. */
export const sources: Record<string, Source[]> = {
  figma: [openapi('figma.openapi.json')],
  ga4: [openapi('ga4.openapi.json')],
  github: [openapi('github.openapi.json')],
  klaviyo: [
    openapi('klaviyo.openapi.json', { prepare: withRevision(/^\d{4}-\d\d-\d\d$/) }),
    // https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy: a beta wants its own revision.
    openapi('klaviyo-beta.openapi.json', { prepare: withRevision(/^\d{4}-\d\d-\d\d\.pre$/) }),
  ],
  posthog: [
    openapi('posthog.openapi.json', {
      // Whoever runs PostHog themselves has it at a host of their own.
      covers: ({ pathname }) => pathname.startsWith('/api/'),
    }),
  ],
  railway: [
    sdl('railway.schema.graphql', {
      host: /^backboard\.railway\.com$/,
      path: '/graphql/v2',
      base: '/graphql/',
    }),
  ],
  shopify: [
    sdl('shopify-admin-2026-10.graphql', {
      host: /^[a-z0-9][a-z0-9-]*\.myshopify\.com$/,
      path: '/admin/api/2026-10/graphql.json',
      base: '/admin/api',
    }),
  ],
  slack: [openapi('slack.openapi.json', { prepare: allInTheQuery, rewrite: inTheQuery })],
  stripe: [
    openapi('stripe.openapi.json', { brackets: 'nested' }),
    { ...openapi('stripe.official-2023.openapi.json', { brackets: 'nested' }), isOld: true },
  ],
  vercel: [openapi('vercel.openapi.json')],
  zendesk: [
    openapi('zendesk.openapi.json', {
      covers: ({ hostname, pathname }) =>
        hostname.endsWith('.zendesk.com') && pathname.startsWith('/api/v2/'),
      prepare: withPagingAndBearer,
      rewrite: (sent) => ({ ...sent, url: withoutJson(sent.url) }),
    }),
  ],
};

/** Klaviyo's description says of the revision only that it is a text. */
function withRevision(pattern: RegExp): (definition: Definition) => Definition {
  return (definition) => {
    for (const { operation } of operationsOf(definition)) {
      const revision = operation.parameters?.find(({ name }) => name === 'revision');
      if (revision) revision.schema = { ...revision.schema, pattern: pattern.source };
    }
    return definition;
  };
}

/**
 * Zendesk describes these on pages of their own: https://developer.zendesk.com/api-reference/introduction/pagination/,
 * …/sorting/, and …/security-and-auth/ for the OAuth access token.
 */
function withPagingAndBearer(definition: Definition): Definition {
  const names = ['page', 'per_page', 'page[size]', 'page[after]', 'page[before]'];
  const common = [...names, 'sort', 'sort_by', 'sort_order'].map(
    (name): Parameter => ({ name, in: 'query', schema: {} }),
  );
  for (const { operation } of operationsOf(definition)) {
    operation.parameters = [...common, ...(operation.parameters ?? [])];
  }
  const schemes = { ...definition.components?.securitySchemes, bearer: { type: 'http', scheme: 'bearer' } };
  return {
    ...definition,
    components: { ...definition.components, securitySchemes: schemes },
    security: [...(definition.security ?? []), { bearer: [] }],
  };
}

/** Zendesk answers at every path with and without `.json`; its description has them without. */
function withoutJson(url: URL): URL {
  const bare = new URL(url);
  bare.pathname = url.pathname.replace(/\.json$/, '');
  return bare;
}
