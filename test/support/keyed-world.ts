import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { expect, inject } from 'vitest';
import { connectByOAuth } from './flows.ts';
import { type KeysRun, runKeys } from './keys-command.ts';
import { openWorld, type TestWorld } from './open-world.ts';

/** Runs a command on keys; what it says is held to the same as the logs. */
export async function run(
  world: TestWorld,
  words: string[],
  env: Record<string, string> = {},
): Promise<KeysRun> {
  const ran = await runKeys(world, words, { env });
  const said = [...ran.lines.map((line) => JSON.stringify(line)), ran.error];
  for (const text of said)
    appendFileSync(path.join(inject('directory'), 'logs.jsonl'), `${JSON.stringify(text)}\n`);
  return ran;
}

export const done = (ran: KeysRun) => expect(ran, ran.error).toMatchObject({ code: 0, error: '' });
export const notDone = (ran: KeysRun, why: RegExp) =>
  expect(ran).toMatchObject({ code: 1, error: expect.stringMatching(why) });

/** A world in which Ada's and Mallory's teams have connected GitHub, with tokens that are renewed. */
export async function connectedWorld(): Promise<TestWorld> {
  const world = await openWorld();
  world.store('github').set('settings.expiring', true);
  expect((await connectByOAuth(world.ada, 'github', { account: 'octocat' })).status).toBe(200);
  expect((await connectByOAuth(world.mallory, 'github', { account: 'hubot' })).status).toBe(200);
  return world;
}

export const tested = async (client: TestWorld['ada']) =>
  (await client.post('/api/connectors/github/test')).body.status;
export const keysOf = (world: TestWorld, tenant: string) =>
  world.sql('select * from data_keys where tenant_id = $1 order by generation', [tenant]);
