import { expect, test } from 'vitest';
import { textsAt } from '../../lib/json-text.ts';

test('what stands in a list is given as it was written, numbers and all', () => {
  const first = '{"id":9007199254740993,"rate":1.10,"text":"a \\"quoted\\" é","none":null}';
  expect(textsAt(`{"page":{"data":[${first}, {"n": -0.0} ,[1e2,true]]}}`, 'page', 'data')).toEqual([
    first,
    '{"n":-0.0}',
    '[1e2,true]',
  ]);
});

test.each(['', '{"data":{}}', '{"data":null}', '[]', 'null', '{"data":[1,'])(
  'nothing stands in %j, or in what is none',
  (text) => {
    expect(textsAt(text, 'data')).toEqual([]);
  },
);
