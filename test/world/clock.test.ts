import { expect, test } from 'vitest';
import { connect, issueKey } from '../support/keys.ts';
import { openWorld } from '../support/open-world.ts';
import { newPerson } from '../support/people.ts';
import { openClock } from './clock.ts';

const SPRING = Date.parse('2031-03-01T00:00:00Z');
const DAY = 86_400_000;
const clock = openClock(SPRING);
const world = await openWorld({ now: clock.now });
await clock.rule(world);

const near = (time: unknown) => Math.abs(Number(time) - clock.now()) < 2_000;

test('PostgreSQL, the Worker and the simulators live by one clock that can be moved', async () => {
  const seen = async () => {
    const person = await newPerson(world);
    const reply = await person.at.get('/api/oauth/github/authorize');
    const key = issueKey(world, 'vercel', { expiresIn: '86400' });
    const connected = await connect(person.at, 'vercel', key);
    const [row] = await world.sql(
      `select now() as now, now() + interval '1 day' as later, c.connected_at, c.updated_at, s.expires_at
       from connections c join sessions s using (user_id) where c.user_id = $1`,
      [person.id],
    );
    expect(reply.status, reply.text).toBe(200);
    expect(connected.status, connected.text).toBe(201);
    return {
      'now()': Number(row?.now),
      'now() + interval': Number(row?.later) - DAY,
      'the default of a column': Number(row?.connected_at),
      'a session that ends in an hour': Number(row?.expires_at) - 3_600_000,
      'the Worker': Date.parse(reply.body.state_expires_at) - 600_000,
      'a simulator': Date.parse(connected.body.reauthorize_by) - DAY,
    };
  };
  for (const [what, time] of Object.entries(await seen())) expect(near(time), what).toBe(true);
  await clock.advance(400 * DAY);
  expect(clock.now()).toBeGreaterThan(SPRING + 400 * DAY);
  for (const [what, time] of Object.entries(await seen())) expect(near(time), what).toBe(true);
});

test('a session ends when its time is over', async () => {
  const person = await newPerson(world);
  expect((await person.at.get('/api/connectors/list')).status).toBe(200);
  await clock.advance(3_600_001);
  expect((await person.at.get('/api/connectors/list')).status).toBe(401);
});
