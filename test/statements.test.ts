import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  asksNobody,
  type Exemption,
  faultsOf,
  schemaStatementsOf,
  statementsOf,
} from './support/statements.ts';
import { root } from './world/bundle.ts';

const exempt = (reason: string, ...pieces: readonly [file: string, piece: string][]): Exemption[] =>
  pieces.map(([file, piece]) => ({ file: `lib/${file}`, piece, reason }));

const SESSION = 'Of a session: callerTables asks whose it is.';
const GIVEN_BY_SESSION = 'Of the one connection that a session’s statement, which asked, has just given.';
const PART =
  'Put in for rows that the statement around it has come by: what holds for that one holds for it.';
const IDS = 'Ids alone: the claim asks, and has what lost its owner due no more.';
const DUE = 'Only makes it due: the claim asks before anything is done.';
const LEASE = 'Behind a lease that only a claim that asked has given.';
const NOT_ENDED =
  'About what has ended: what has only lost its owner is not over yet, and its own end takes its webhooks away.';
const FORGET = 'Forgetting must reach what has lost its owner, too.';
const OPERATOR = 'The operator’s command is about all rows that the keys have sealed, whoever is gone.';

/** Statements that need not ask whether what they are over lives, and why. */
const exemptions: readonly Exemption[] = [
  // Somebody else asks.
  ...exempt(
    SESSION,
    ['connections/disconnect.ts', "'requested' as loss"],
    ['connections/keep.ts', 'callerTables(caller)'],
    ['connections/retest.ts', 'from session left join scope on true'],
    ['connections/snapshot.ts', 'from session left join scope on true'],
    ['events/feed.ts', 'callerTables(caller)'],
    ['events/redeliver.ts', 'callerTables(caller)'],
    ['webhooks/watched.ts', 'callerTables(caller)'],
  ),
  ...exempt(
    GIVEN_BY_SESSION,
    ['webhooks/watched.ts', 'update webhooks set watched'],
    ['webhooks/watched.ts', 'select status, error from webhooks'],
  ),
  ...exempt(
    PART,
    ['connections/death.ts', 'update webhooks w'],
    ['connections/disconnect.ts', 'ending as'],
    ['connections/row.ts', 'as webhook_status'],
    ['events/claim.ts', 'select c.heard_by from connections c'],
    ['webhooks/misfit-mark.ts', 'w.refused_version = w.version'],
  ),
  ...exempt(
    IDS,
    ['connections/check.ts', 'select c.id from connections c where c.check_at <= now()'],
    ['events/due.ts', 'order by next_attempt_at limit'],
    ['events/lanes.ts', 'next as'],
    ['events/waiting.ts', 'with recursive tenants'],
    ['events/set-agent.ts', 'with part as'],
    ['refresh/due.ts', 'select id from connections'],
  ),
  ...exempt(
    DUE,
    ['connections/check-soon.ts', 'set check_at = now()'],
    ['grants/outcome.ts', "'grant_in_use'"],
    ['grants/outcome.ts', 'grant_over as'],
    ['events/meaning.ts', 'dueAtOnce} where'],
    ['grants/joined.ts', 'set refresh_at = now()'],
    ['webhooks/due.ts', 'set check_at = now() + random()'],
  ),
  ...exempt(
    LEASE,
    ['events/settle.ts', 'delivered_at = case'],
    ['events/settle.ts', "'dead' : 'pending'"],
    ['events/settle.ts', 'set attempts = attempts - 1, lease_id = null'],
    ['events/settle.ts', "set attempts = attempts - 1, last_error = 'no agent'"],
    ['refresh/claim.ts', 'lease_until = null, refresh_at = now()'],
    ['refresh/claim.ts', 'lease_until = null, refresh_at = null'],
    ['refresh/claim.ts', 'row.was_due'],
    ['webhooks/registration.ts', 'set secret ='],
  ),
  ...exempt(`${LEASE} That another was renewed lately tells of our client, whosever it was.`, [
    'refresh/failed.ts',
    'with written as',
  ]),
  ...exempt(
    `${LEASE} Whoever waits for the end of one waits until it has ended, not until its owner is gone.`,
    ['webhooks/registration.ts', 'with awaited as'],
  ),
  ...exempt(
    'Whoever asks proves to live on the very grant, of which one that has lost its owner may have the newest tokens until its end.',
    ['refresh/follow.ts', 'with standing as'],
  ),
  ...exempt(
    'Guarded by the version that a reading that asked has given; who tells of its event asks again.',
    ['connections/retest.ts', 'with before as'],
  ),
  ...exempt('What has come of one that a reading that asked has given; nothing is used.', [
    'connections/retest.ts',
    'connectionColumns} from connections c',
  ]),

  // What nobody owns any more is meant, too.
  ...exempt(
    'What a refresh has brought under a claim that asked is kept, whoever is gone since: the sweep ends the grant with the newest token. Others are only made due.',
    ['refresh/renewed.ts', 'with written as'],
  ),
  ...exempt('What may have been lost of a grant is so for all who are on it, whoever is gone.', [
    'refresh/unheard.ts',
    'with theirs as',
  ]),
  ...exempt('The row of a grant is needed for as long as one that has lost its owner is not ended.', [
    'sweep.ts',
    'grants_over as',
  ]),
  ...exempt('What was made at the provider must be known, to be taken away; whoever looks after it asks.', [
    'webhooks/registration.ts',
    'with to_end as',
  ]),
  ...exempt(
    NOT_ENDED,
    ['webhooks/unregister.ts', 'select from webhooks w where w.connection_id'],
    ['webhooks/unregister.ts', 'l.is_live and'],
    ['webhooks/unregister.ts', "set registered = '[]'"],
    ['webhooks/unregister.ts', 'registered}::jsonb where connection_id'],
  ),
  ...exempt(
    FORGET,
    ['events/forget.ts', 'page as'],
    ['events/forget.ts', 'with known as'],
    ['payloads/forget.ts', 'select t.payload_id from'],
    ['payloads/forget.ts', 'p.id = any'],
    ['webhooks/store.ts', 'w.past_routes @>'],
  ),
  ...exempt(
    OPERATOR,
    ['keys/destroy.ts', 'with gone as'],
    ['keys/destroy.ts', 'delete from payloads where'],
    ['keys/destroy.ts', 'select c.id from connections c'],
    ['keys/destroy.ts', 'with dead as'],
    ['keys/generations.ts', 'delete from data_keys k'],
    ['keys/retired-rows.ts', 'connections t'],
    ['keys/retired-rows.ts', 'webhooks t'],
    ['keys/retired-rows.ts', 'from connections c where c.id = t.connection_id'],
  ),
  {
    file: 'schema.sql',
    piece: "update events set written_in = '1'",
    reason: 'All that was restored has its place in the order, whoever is gone.',
  },
];

const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

const statements = [
  ...globSync('lib/**/*.ts', { cwd: root })
    .filter((file) => !file.endsWith('.d.ts'))
    .sort()
    .flatMap((file) => statementsOf(file, read(file))),
  ...schemaStatementsOf('schema.sql', read('schema.sql')),
];

test('every statement over connections, webhooks or events asks the one place that says what lives, and whose it is', () => {
  expect(statements.length).toBeGreaterThan(60);
  expect(faultsOf(statements, exemptions)).toEqual([]);
});

describe('the reader of statements', () => {
  const helped = `
    import { sql } from 'kysely';
    import { isLiving } from '../connections/living.ts';
    const due = sql<{ id: string }>\`
      select c.id from connections c
      where \${isLiving(sql\`c\`)} and c.refresh_at <= now() and c.name <> \${'}'}\`;
    const some = sql\`select id from connections where \${[1].map((each) => \`\${each}\`).join()} -- isLiving
    \`;`;

  test('tells a statement that asks from one that does not, whatever is put in', () => {
    const read = statementsOf('lib/refresh/due.ts', helped);
    expect(read.map((each) => [each.line, asksNobody(each)])).toEqual([
      [4, false],
      [7, true],
    ]);
    expect(faultsOf(read, [])).toEqual([
      expect.stringMatching(
        /^lib\/refresh\/due\.ts:7 asks nobody whether it lives: select id from connections/,
      ),
    ]);
  });

  test('takes a helper from the one place alone, a call in SQL from anywhere, and no other table for one of ours', () => {
    const own = helped.replace("'../connections/living.ts'", "'./mine.ts'");
    expect(statementsOf('lib/a.ts', own).map(asksNobody)).toEqual([true, true]);
    const others = [
      'select from webhooks w join connections c on true cross join owner_of(c.user_id, c.brand_id) o',
      'update events e set status = $1',
      'insert into events (id) select id from due',
      'select from events_by_age',
    ];
    const source = others.map((text) => `sql\`${text}\``).join(';\n');
    expect(statementsOf('lib/a.ts', source).map(asksNobody)).toEqual([false, true, false, false]);
  });

  test('finds a table behind a comma, and one that is put in from elsewhere, and takes no column for one', () => {
    const some = [
      'select from scope, connections c where c.id = $1',
      'delete from due using scope, public.events where true',
      `select from \${name(sql\`webhooks t\`)} where true`,
      'connections c join written on true',
      'select e.id, events.data from events_by_age e',
      'insert into marks as m (name, events) select 1, events(2) from due',
    ];
    const source = some.map((text) => `sql\`${text}\``).join(';\n');
    expect(statementsOf('lib/a.ts', source).map(asksNobody)).toEqual([true, true, true, true, false, false]);
  });

  test('reads each statement of a function of the schema, and a view', () => {
    const schema = `
      update connections set failures = 0;
      create or replace function store(for_connection uuid) returns void language plpgsql as $$
      begin
        insert into events select c.id from connections c cross join owner_of(c.user_id, c.brand_id) o;
        update webhooks set failures = 0;
      end
      $$;
      create or replace view living as select c.id from connections c;`;
    expect(faultsOf(schemaStatementsOf('schema.sql', schema), [])).toEqual([
      expect.stringMatching(/^schema\.sql:6 .*update webhooks/),
      expect.stringMatching(/^schema\.sql:9 .*from connections c/),
    ]);
  });

  test('knows an exemption by its piece, and refuses one without use, without a reason or for several', () => {
    const read = statementsOf('lib/a.ts', 'sql`select a\n  from events`; sql`select b from events`;');
    const exempt = (piece: string, reason = 'It is nobody’s.', file = 'lib/a.ts') => ({
      file,
      piece,
      reason,
    });
    expect(faultsOf(read, [exempt('select a from events'), exempt('select b')])).toEqual([]);
    expect(faultsOf(read, [exempt('from events')])).toEqual([expect.stringMatching(/is for 2 statements/)]);
    const wrong = [exempt('select a'), exempt('select b', ' '), exempt('select b', 'So.', 'lib/b.ts')];
    expect(faultsOf(read, wrong)).toEqual([
      expect.stringMatching(/has no reason/),
      expect.stringMatching(/lib\/b\.ts is for 0 statements/),
    ]);
  });
});
