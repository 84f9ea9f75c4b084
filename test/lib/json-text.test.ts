import { expect, test } from 'vitest';
import { parseJson, parseJsonDigits, parseJsonExactly, textsAt } from '../../lib/json-text.ts';

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

test.each([
  [
    'plainly',
    parseJson,
    { big: 9007199254740992, exact: 9007199254740991, rate: 1.1, vast: 1e300, text: '7' },
  ],
  [
    'with its integers past 2^53 as digits',
    parseJsonExactly,
    { big: '9007199254740993', exact: 9007199254740991, rate: 1.1, vast: 1e300, text: '7' },
  ],
  [
    'with its numbers as they were written',
    parseJsonDigits,
    { big: '9007199254740993', exact: '9007199254740991', rate: '1.10', vast: '1e300', text: '7' },
  ],
])('a text is read %s, and what is none gives nothing', (_, read, value) => {
  const text = '{"big":9007199254740993,"exact":9007199254740991,"rate":1.10,"vast":1e300,"text":"7"}';
  expect(read(text)).toEqual(value);
  expect(read('{"big":9007199254740993')).toBeUndefined();
});
