import { afterEach, describe, expect, test } from 'vitest';
import { callbackUrl } from './support/callbacks.ts';
import { present } from './support/flows.ts';
import { connect, issueKey } from './support/keys.ts';
import { lives } from './support/lives.ts';
import { openWorld } from './support/open-world.ts';
import { newPerson, type Person } from './support/people.ts';

const world = await openWorld();

afterEach(() => world.reset());

/** All that is said of a connection, apart from when it was asked about. */
async function told(person: Person) {
  const [shown] = (await person.at.get('/api/connectors/list')).body.connections;
  const events = await world.sql('select type from events where user_id = $1', [person.id]);
  const audit = await world.sql('select action from audit_log where user_id = $1', [person.id]);
  return {
    status: shown.status,
    tools: shown.tools,
    error: shown.last_error?.code,
    events: events.map(({ type }) => String(type)).sort(),
    audit: audit.map(({ action }) => String(action)).sort(),
  };
}

const dead = {
  status: 'reauthorization_required',
  tools: [],
  error: 'invalid_credential',
  events: ['connection.connected', 'connection.reauthorization_required'],
};

/** Bodies of a 403 that a proxy, a firewall or nobody in particular sends. */
const meaningless = ['{}', '[]', 'null', '"Forbidden"', '', '<html>Forbidden</html>'];

const all = lives.filter(({ way }) => way !== 'a GitHub App');

describe.each(all.map((life) => ({ ...life, title: `${life.provider} by ${life.way}` })))(
  'a dead connection to $title',
  (life) => {
    const { provider } = life;

    test('was brought back, as recovered, by a 403 that says nothing of the credential', async () => {
      const person = await newPerson(world);
      const ask = () => person.at.post(`/api/connectors/${provider}/test`);
      const key = life.key && issueKey(world, provider, life.key);
      const begun = key
        ? await connect(person.at, provider, key)
        : await present(person.at, await callbackUrl(person.at, provider));
      expect(begun.body.status, begun.text).toBe('connected');

      // Of a key, what the next token is made from is refused as well.
      const refusal = { status: 401, body: '{"error":"invalid_client"}' };
      if (key) world.gateway.misbehave({ provider, respond: refusal });
      else await life.end(world, '');
      expect((await ask()).body.status).toBe(dead.status);
      const before = await told(person);
      expect(before).toMatchObject(dead);
      expect(before.audit).toContain('reauthorization_required');

      for (const body of meaningless) {
        world.reset();
        world.gateway.misbehave({ provider, respond: { status: 403, body } });
        await ask();
        expect(await told(person), `403 with ${body || 'no body'}`).toEqual(before);
      }

      world.reset();
      const again = await ask();
      expect(again.body.status, again.text).toBe(key ? 'connected' : dead.status);
      const recovered = (await told(person)).events.filter((type) => type === 'connection.recovered');
      expect(recovered).toHaveLength(key ? 1 : 0);
    });
  },
);
