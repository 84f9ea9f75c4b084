import { expect, test } from 'vitest';
import { redeliver } from '../../providers/github-redelivery.ts';
import type { Answer, HttpRequest } from '../../providers/provider.ts';
import { answer } from './signing-in.ts';

const since = new Date('2026-11-24T10:00:00Z');
const until = new Date('2026-11-24T12:00:00Z');
const failure = (guid: string, at: string, more = {}) => ({
  id: 1,
  guid,
  delivered_at: `2026-11-24T${at}Z`,
  event: 'push',
  ...more,
});

/** Has failures redelivered by somebody who answers so; what was asked, and what came of it. */
function redelivered(listed: object[], accepted: (path: string) => number = () => 202) {
  const asked: string[] = [];
  const dialogue = redeliver('token', '/repos/a/b/hooks/1/deliveries', { since, until });
  const answerTo = ({ method, url }: HttpRequest): Answer => {
    const path = url.replace('https://api.github.com/repos/a/b/hooks/1/deliveries', '');
    if (method === 'GET') return answer(200, listed);
    asked.push(path);
    return answer(accepted(path));
  };
  let step = dialogue.next();
  while (!step.done) step = dialogue.next(answerTo(step.value));
  return { asked, end: step.value };
}

test('a delivery whose id is past 2^53 is asked for by its digits', () => {
  const listed = [failure('a', '11:00:00', { id: '3804004623172239366' })];
  expect(redelivered(listed)).toEqual({ asked: ['/3804004623172239366/attempts'], end: undefined });
});

test('the last failure of each that happened is asked for, oldest first, and no ping', () => {
  const listed = [
    failure('a', '11:30:00', { id: 5 }),
    failure('ping', '11:20:00', { id: 4, event: 'ping' }),
    failure('b', '11:10:00', { id: 3 }),
    failure('a', '11:00:00', { id: 2 }),
    failure('old', '09:00:00', { id: 1 }),
  ];
  expect(redelivered(listed).asked).toEqual(['/3/attempts', '/5/attempts']);
});

test('where there are many, some are left for later, but none of a second that is done', () => {
  const listed = Array.from({ length: 45 }, (_, at) =>
    failure(`g${at}`, `11:00:${String(59 - Math.floor(at / 3)).padStart(2, '0')}`, { id: 100 - at }),
  );
  const { asked, end } = redelivered(listed);
  expect([asked.length, asked.at(-1), end]).toEqual([21, '/76/attempts', new Date('2026-11-24T11:00:51Z')]);
});

test('where GitHub takes no more, what is done is kept, and the rest asked for again', () => {
  const listed = [3, 2, 1].map((id) => failure(`g${id}`, `11:00:0${id}`, { id }));
  const refused = (path: string) => (path === '/3/attempts' ? 403 : 202);
  expect(redelivered(listed, refused)).toEqual({
    asked: ['/1/attempts', '/2/attempts', '/3/attempts'],
    end: new Date('2026-11-24T11:00:01Z'),
  });
  expect(redelivered(listed, () => 502).end).toBe('limited');
});
