import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import type { Described } from './world/descriptions/record.ts';
import { DESCRIBED } from './world/descriptions.ts';

type Summary = Pick<Described, 'counts' | 'fitting' | 'violations' | 'notDescribed'>;

const file = path.join(inject('directory'), 'described.jsonl');
const worlds: Summary[] = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(JSON.parse(line)) as Summary)
  : [];

/** Calls of described APIs that their descriptions, as we have them, leave out; each stands in the documents. */
const LEFT_OUT = [
  'DELETE /admin/api_permissions/current.json',
  'DELETE /api/v2/oauth/tokens/current.json',
  // https://docs.github.com/en/rest/repos/webhooks
  'GET /repos/octocat/{repo}/hooks/{id}/deliveries',
  'POST /repos/octocat/{repo}/hooks/{id}/deliveries/{id}/attempts',
  // https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api: where it redirects to
  'DELETE /repositories/{id}/hooks/{id}',
  'GET /repositories/{id}/hooks/{id}',
  // https://docs.github.com/en/rest/apps/webhooks
  'GET /app/hook/deliveries',
];

const nameless = (where: string) =>
  where.replaceAll(/\d{6,}/g, '{id}').replace(/^\/repos\/octocat\/[\w-]+/, '/repos/octocat/{repo}');

// Only a run of everything has asked everybody.
test.runIf(process.env.SPECS_DIR !== undefined && worlds.length > 10)(
  'every request of this run to a provider with a description fits it',
  () => {
    expect(worlds.flatMap(({ violations }) => violations)).toEqual([]);
    const fitting = new Map(DESCRIBED.map((provider) => [provider, 0]));
    for (const world of worlds)
      for (const [provider, count] of Object.entries(world.fitting))
        fitting.set(provider, (fitting.get(provider) ?? 0) + count);
    for (const [provider, count] of fitting) expect(count, provider).toBeGreaterThan(10);
    const beside = worlds
      .flatMap(({ notDescribed }) => notDescribed)
      .filter(({ isOfTheApi }) => isOfTheApi)
      .map(({ method, path: where }) => `${method} ${nameless(where)}`);
    expect(LEFT_OUT).toEqual(expect.arrayContaining([...new Set(beside)]));
    console.log(`requests that fit their description: ${JSON.stringify(Object.fromEntries(fitting))}`);
  },
);
