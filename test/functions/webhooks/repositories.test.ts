import { beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from '../../support/open-world.ts';
import { newPerson } from '../../support/people.ts';
import { quiet } from '../../support/trips.ts';
import {
  githubAppEnv,
  happen,
  hooksOf,
  lookedAfter,
  REPOSITORIES,
  rowOf,
  watch,
  withGithub,
} from './looked-after.ts';

const world = await openWorld();
beforeEach(() => world.reset());

interface Choice {
  full_name: string;
  watched: boolean;
  watchable: boolean;
}

const [HELLO, SPOON, PLANS] = ['octocat/Hello-World', 'octocat/Spoon-Knife', 'octocat/launch-plans'] as const;

describe('the repositories that can be watched', () => {
  test('are what the user can see; watchable is what they administer and nobody has archived', async () => {
    const { person } = await withGithub(world, [PLANS]);
    world.store('github').set('settings.archived', [SPOON]);
    const { body } = await person.at.get(REPOSITORIES);
    world.store('github').delete('settings.archived');
    expect(body.next).toBeNull();
    const listed = Object.fromEntries(
      body.repositories.map(({ full_name, watched, watchable }: Choice) => [full_name, [watched, watchable]]),
    );
    expect(listed).toMatchObject({
      [HELLO]: [false, true],
      [SPOON]: [false, false],
      [PLANS]: [true, true],
      'octo-guild/handbook': [false, false],
    });
  });

  test('come in pages, each once, with what is watched on each', async () => {
    world.store('github').set('settings.moreRepositories', 230);
    const last = 'octocat/notebook-230';
    const { person } = await withGithub(world, [HELLO, last]);
    const seen: Choice[] = [];
    const pages: (number | null)[] = [];
    for (let page: number | null = 1; page !== null; page = pages.at(-1) ?? null) {
      const { status, body, text } = await person.at.get(`${REPOSITORIES}?page=${page}`);
      expect(status, text).toBe(200);
      seen.push(...body.repositories);
      pages.push(body.next);
    }
    world.store('github').delete('settings.moreRepositories');
    expect(pages).toEqual([2, 3, null]);
    const names = seen.map(({ full_name }) => full_name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith('octocat/notebook-'))).toHaveLength(230);
    expect(seen.filter(({ watched }) => watched).map(({ full_name }) => full_name)).toEqual([HELLO, last]);
  });

  test('answer 502 for good where a hundred of them are over half a megabyte', async () => {
    const { person } = await withGithub(world);
    const page = Array.from({ length: 100 }, (_, at) => ({
      full_name: `octocat/${'long-name-'.repeat(9)}${at}`,
      permissions: { admin: true },
      description: 'x'.repeat(12_000),
    }));
    world.gateway.misbehave({
      provider: 'github',
      match: '/user/repos',
      respond: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(page),
      },
    });
    const { status, body } = await person.at.get(REPOSITORIES);
    expect([status, body.repositories.length]).toEqual([200, 100]);
  });

  test.each(['0', '-1', '1.5', 'x', '1001'])('have no page %s', async (page) => {
    const { person } = await withGithub(world);
    expect(await person.at.get(`${REPOSITORIES}?page=${page}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
  });

  test('are nobody’s without a connection, nor after it has ended', async () => {
    const nobody = await newPerson(world);
    const { person } = await withGithub(world, [SPOON]);
    await person.at.delete('/api/connectors/github');
    for (const each of [nobody, person])
      for (const reply of [await each.at.get(REPOSITORIES), await watch(each, [HELLO])])
        expect(reply).toMatchObject({ status: 404, body: { code: 'not_connected' } });
  });

  test('are another’s own affair', async () => {
    const [one, other] = [await withGithub(world, [HELLO]), await withGithub(world, [HELLO, SPOON])];
    await watch(one.person, []);
    expect(hooksOf(world, one.id)).toEqual([]);
    expect(hooksOf(world, other.id)).toHaveLength(2);
    const { body } = await one.person.at.get(REPOSITORIES);
    expect(body.repositories.filter(({ watched }: Choice) => watched)).toEqual([]);
  });
});

describe('choosing', () => {
  test('one that has twenty webhooks already is told as a missing right', async () => {
    const message = 'The "push" event cannot have more than 20 hooks';
    world.gateway.misbehave({
      provider: 'github',
      match: '^POST .*/hooks',
      respond: {
        status: 422,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          message: 'Validation Failed',
          errors: [{ resource: 'Hook', code: 'custom', message }],
        }),
      },
    });
    const { person } = await withGithub(world);
    const { body } = await watch(person, [SPOON]);
    expect(body.error).toContain('20 webhooks at most');
    expect(body.error).toContain(SPOON);
    expect(body.error).not.toContain('administrators');
  });

  test('fewer removes the hooks of the others, and keeps the rest as they are', async () => {
    const { person, id } = await withGithub(world, [HELLO, SPOON, PLANS]);
    const kept = hooksOf(world, id).find(({ repository }) => repository === 1300192);
    expect((await watch(person, [SPOON])).body).toEqual({ repositories: [SPOON], error: null });
    expect(hooksOf(world, id)).toMatchObject([{ id: kept?.id, config: kept?.config }]);
    expect(await happen(world, 'github', 'push', { repository: SPOON, to: id })).toMatchObject([
      { status: 200 },
    ]);
    expect((await watch(person, [])).body).toEqual({ repositories: [], error: null });
    expect(hooksOf(world, id)).toEqual([]);
    const [{ webhooks }] = (await person.at.get('/api/connectors/list')).body.connections;
    expect(webhooks).toMatchObject({ status: 'unsupported', events: [] });
  });

  test('the same twice makes one hook, and one name counts once however it is written', async () => {
    const { person, id } = await withGithub(world, [HELLO]);
    expect((await watch(person, [HELLO, HELLO])).body.repositories).toEqual([HELLO]);
    await watch(person, [HELLO, HELLO.toLowerCase()]);
    expect(hooksOf(world, id)).toHaveLength(1);
    await watch(person, [HELLO]);
    expect(hooksOf(world, id)).toHaveLength(1);
  });

  test('in another case than GitHub’s watches the repository, and shows it as watched', async () => {
    const { person, id } = await withGithub(world, [HELLO.toLowerCase()]);
    expect(hooksOf(world, id)).toHaveLength(1);
    const { body } = await person.at.get(REPOSITORIES);
    expect(body.repositories.find(({ full_name }: Choice) => full_name === HELLO)).toMatchObject({
      watched: true,
    });
  });

  test('takes a hook away in the end that GitHub would not let go at first', async () => {
    const { person, id } = await withGithub(world, [HELLO, SPOON]);
    world.gateway.misbehave({ provider: 'github', match: '^DELETE', respond: { status: 500 } });
    await watch(person, [SPOON]);
    expect(hooksOf(world, id)).toHaveLength(2);
    world.reset();
    await lookedAfter(world, id);
    expect(hooksOf(world, id)).toHaveLength(1);
  });

  test('loses no push to the first repository while the second one’s hook is made', async () => {
    const { person, id } = await withGithub(world);
    world.gateway.misbehave({ provider: 'github', match: '^POST .*Spoon-Knife/hooks', delay: 1_000 });
    const put = watch(person, [HELLO, SPOON]);
    await expect.poll(() => hooksOf(world, id).length).toBe(1);
    const sent = await happen(world, 'github', 'push', { repository: HELLO, to: id });
    expect((await put).body.error).toBeNull();
    expect(sent).toMatchObject([{ status: 200 }]);
  });

  test('with GitHub’s limit of what is made a minute reached is said to be tried again, and is', async () => {
    const { person, id } = await withGithub(world);
    world.store('github').set('settings.contentLimit', 1);
    const { body } = await watch(person, [HELLO, SPOON]);
    world.store('github').delete('settings.contentLimit');
    expect(body.error).toMatch(/again/);
    expect(body.error).not.toMatch(/administrators/);
    expect(await lookedAfter(world, id)).toMatchObject({ status: 'active' });
    expect(hooksOf(world, id)).toHaveLength(2);
  });

  const long = `octocat/${'a'.repeat(101)}`;
  test.each([
    ['no owner', ['Hello-World']],
    ['a path', ['octocat/Hello-World/hooks']],
    ['a way up', ['octocat/..']],
    ['the place itself', ['octocat/.']],
    ['a query', ['octocat/Hello-World?x=1']],
    ['an encoded slash', ['octocat/a%2Fb']],
    ['a space', ['octocat/Hello World']],
    ['a line break', ['octocat/Hello-World\n']],
    ['NUL', ['octocat/\u0000']],
    ['nothing', ['']],
    ['a long name', [long]],
    ['a number', [1]],
    ['one bad among good', [HELLO, 'bad']],
    ['too many', Array.from({ length: 101 }, (_, at) => `octocat/r${at}`)],
    ['a text', HELLO],
    ['an object', { 0: HELLO }],
    ['null', null],
  ])('%s is refused, and changes nothing', async (_, names) => {
    const { person, id } = await withGithub(world, [PLANS]);
    await quiet(world);
    const [row, hooks] = [await rowOf(world, id), hooksOf(world, id)];
    world.reset();
    const reply = await watch(person, names);
    expect(reply, reply.text).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(world.gateway.calls).toEqual([]);
    expect([await rowOf(world, id), hooksOf(world, id)]).toEqual([row, hooks]);
    await person.at.delete('/api/connectors/github');
  });
});

test('a GitHub App needs no choice, and offers none', async () => {
  const withApp = await openWorld({ env: githubAppEnv() });
  const { person } = await withGithub(withApp);
  expect((await person.at.get(REPOSITORIES)).body).toEqual({ repositories: [], next: null });
});
