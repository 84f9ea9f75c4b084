import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { openCredential, type SealedRow } from '../../lib/connections/sealed.ts';
import { dataKeyColumns } from '../../lib/connections/snapshot.ts';
import { openServices } from '../../lib/services.ts';
import { githubTokens } from '../world/providers/github.ts';
import { type Figure, figure, seeded } from './figures.ts';
import { headersOf, type Seat, signIn } from './sign-in.ts';
import { fire, type Stage, type StagedWorld } from './stage.ts';

const SEED = 61;
const BRANDS = 12;
/** How many tokens of a person GitHub keeps; one brand alone signs in once more than that. */
const KEPT = 10;
/** How long nothing may have happened before the Worker counts as quiet, and how long that is waited for. */
const QUIET_MS = 250;
const PATIENCE_MS = 60_000;

/** A connection that says that it is connected, and the token that it holds. */
interface Held {
  id: string;
  version: number;
  token: string;
}

/**
 * GitHub keeps ten tokens of a person for an app and a set of scopes, and ends one silently for the eleventh. First
 * twelve brands of one person of ours connect one GitHub login in turn, and one of them again and again; then twelve
 * people of twelve teams do. `rests` is the share of sign-ins after which the Worker comes to rest.
 */
export async function githubBrands(
  stage: Stage,
  { signIns, rests }: { signIns: number; rests: number },
): Promise<Figure[]> {
  const world = await stage.open({ rateLimits: false });
  return [...(await oneOwner(world, 'octocat', { signIns, rests })), ...(await manyOwners(world, 'hubot'))];
}

async function oneOwner(
  world: StagedWorld,
  login: string,
  { signIns, rests }: { signIns: number; rests: number },
): Promise<Figure[]> {
  const seats = seatsOf([await newTeam(world, BRANDS)]);
  const random = seeded(SEED);
  let refused = 0;
  /** Connections that said that they were connected, and were not; by sign-in. */
  const hollow: string[] = [];
  let left = 0;
  let rested = 0;
  const inTurn = Array.from({ length: signIns }, (_, at) => seats[at % seats.length] as Seat);
  const again = Array.from({ length: KEPT + 1 }, () => seats[0] as Seat);
  const plan = [...inTurn, ...again];
  for (const [at, seat] of plan.entries()) {
    refused += await refusalOf(world, seat, login);
    hollow.push(...(await hollowOnes(world, seats)).map((id) => `sign-in ${at + 1}: ${id}`));
    if (random() >= rests && at < plan.length - 1) continue;
    await quiet(world);
    rested += 1;
    hollow.push(...(await hollowOnes(world, seats)).map((id) => `after sign-in ${at + 1}: ${id}`));
    left += await superseded(world, seats, login);
  }
  const connected = (await heldBy(world, seats)).length;
  const all = Math.min(BRANDS, signIns);
  const ended = await disconnectAll(world, seats, login);
  return [
    figure(`sign-ins of ${BRANDS} brands that were refused`, `0 of ${plan.length}`, refused, refused === 0),
    figure('brands that say connected in the end', String(all), connected, connected === all),
    hollowFigure('connections without a living token that said connected', hollow),
    figure(`superseded tokens that lived on, in ${rested} rests`, '0', left, left === 0),
    ...ended,
  ];
}

async function manyOwners(world: StagedWorld, login: string): Promise<Figure[]> {
  const owners = [];
  for (let at = 0; at < BRANDS; at += 1) owners.push(await newTeam(world, 1));
  const seats = seatsOf(owners);
  let refused = 0;
  const hollow: string[] = [];
  for (const [at, seat] of seats.entries()) {
    refused += await refusalOf(world, seat, login);
    // Until there is one too many, nothing comes of it.
    if (at < KEPT - 1) continue;
    await quiet(world);
    hollow.push(...(await hollowOnes(world, seats)).map((id) => `after sign-in ${at + 1}: ${id}`));
  }
  const standing = await statuses(world, seats);
  const living = aliveOf(world, login).size;
  const ended = await disconnectAll(world, seats, login);
  return [
    figure(`sign-ins of ${BRANDS} people that were refused`, '0', refused, refused === 0),
    hollowFigure('people without a living token who were told connected', hollow),
    figure(
      'of these people connected, and in need of a sign-in',
      `${living} and ${BRANDS - living}, as GitHub has it`,
      `${standing.connected} and ${standing.dead}`,
      standing.connected === living && standing.dead === BRANDS - living,
    ),
    ...ended,
  ];
}

function hollowFigure(name: string, hollow: readonly string[]): Figure {
  const first = hollow[0] === undefined ? '' : ` (first ${hollow[0]})`;
  return figure(name, '0', `${hollow.length}${first}`, hollow.length === 0);
}

async function refusalOf(world: StagedWorld, seat: Seat, account: string): Promise<number> {
  const { status } = await signIn(world, seat, { provider: 'github', account, scopes: ['repo'] });
  return status === 200 ? 0 : 1;
}

/** A person in a team of their own, and the brands of it. */
async function newTeam(world: StagedWorld, brands: number): Promise<{ token: string; brands: string[] }> {
  const token = `session-${randomBytes(24).toString('base64url')}`;
  const rows = await world.sql(
    `with person as (insert into users (name) values ('Somebody') returning id),
     team as (insert into teams (name) values ('Somebody''s') returning id),
     member as (insert into team_members (team_id, user_id) select team.id, person.id from team, person),
     session as (
       insert into sessions (id, user_id, expires_at) select $2, id, now() + interval '1 day' from person
     )
     insert into brands (team_id, name) select team.id, 'Brand ' || n from team, generate_series(1, $1) n
     returning id`,
    [brands, createHash('sha256').update(token).digest('hex')],
  );
  return { token, brands: rows.map(({ id }) => String(id)) };
}

function seatsOf(owners: readonly { token: string; brands: string[] }[]): Seat[] {
  return owners.flatMap(({ token, brands }) => brands.map((brand) => ({ token, brand })));
}

function aliveOf(world: StagedWorld, login: string): Set<string> {
  const tokens = githubTokens(world.store('github'), Date.now());
  return new Set(tokens.filter((each) => each.alive && each.login === login).map(({ token }) => token));
}

/** What those that say connected hold, opened with the Worker's own code. */
async function heldBy(world: StagedWorld, seats: readonly Seat[]): Promise<Held[]> {
  const services = openServices(world.bindings as unknown as Env);
  const rows = await services.postgres.rows(sql<SealedRow>`
    select c.id as connection_id, c.user_id, c.brand_id, c.tenant_id, c.provider, c.version, c.config, c.credential,
      c.refresh_token, ${dataKeyColumns}
    from connections c left join data_keys k on k.id = c.data_key_id
    where c.status = 'connected' and c.brand_id = any(${seats.map(({ brand }) => brand)}::uuid[])`);
  return Promise.all(
    rows.map(async (row) => ({
      id: row.connection_id,
      version: row.version,
      token: await openCredential(services, row),
    })),
  );
}

/** Connections that say connected, and whose token GitHub does not accept. What changes meanwhile is read again. */
async function hollowOnes(world: StagedWorld, seats: readonly Seat[]): Promise<string[]> {
  const held = await heldBy(world, seats);
  const tokens = githubTokens(world.store('github'), Date.now());
  const alive = new Set(tokens.filter((each) => each.alive).map(({ token }) => token));
  const suspects = held.filter(({ token }) => !alive.has(token));
  if (suspects.length === 0) return [];
  const again = await heldBy(world, seats);
  return suspects
    .filter(({ id, version }) => again.some((each) => each.id === id && each.version === version))
    .map(({ id }) => id);
}

/** How many tokens live at GitHub that nobody who is connected holds. */
async function superseded(world: StagedWorld, seats: readonly Seat[], login: string): Promise<number> {
  const held = new Set((await heldBy(world, seats)).map(({ token }) => token));
  return [...aliveOf(world, login)].filter((token) => !held.has(token)).length;
}

async function statuses(
  world: StagedWorld,
  seats: readonly Seat[],
): Promise<{ connected: number; dead: number }> {
  const [row] = await world.sql(
    `select count(*) filter (where status = 'connected')::integer as connected,
       count(*) filter (where status = 'reauthorization_required')::integer as dead
     from connections where brand_id = any($1::uuid[])`,
    [seats.map(({ brand }) => brand)],
  );
  return { connected: Number(row?.connected), dead: Number(row?.dead) };
}

async function disconnectAll(world: StagedWorld, seats: readonly Seat[], login: string): Promise<Figure[]> {
  const wrong: string[] = [];
  for (const seat of seats) {
    const answer = await fetch(`${world.url}/api/connectors/github`, {
      method: 'DELETE',
      headers: headersOf(seat),
    });
    const text = await answer.text();
    if (answer.status !== 200) wrong.push(`${answer.status} ${text}`);
  }
  await quiet(world);
  const alive = aliveOf(world, login).size;
  return [
    figure('disconnects that were refused', '0', wrong[0] ?? 0, wrong.length === 0),
    figure(`tokens of ${login} that live after all have disconnected`, '0', alive, alive === 0),
  ];
}

/** Waits until nothing is due, nothing waits to be ended, and nobody has been asked anything for a while. */
async function quiet(world: StagedWorld): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  let [calls, since] = [-1, 0];
  for (let looks = 0; Date.now() < end; looks += 1) {
    const isBusy = await busy(world);
    const now = world.gateway.calls.length;
    if (isBusy || now !== calls) [calls, since] = [now, Date.now()];
    else if (Date.now() - since >= QUIET_MS) return;
    // What a cron would take up is taken up now; a first attempt that is under way is left its time.
    if (looks % 20 === 0) await fire(world);
    if (looks % 60 === 59) await world.sql('update revocations set next_attempt_at = now()');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the Worker did not come to rest');
}

async function busy(world: StagedWorld): Promise<boolean> {
  const [row] = await world.sql(
    `select exists (select from revocations) or exists (
       select from connections c where refresh_at <= now() or lease_until > now()
         or (to_jsonb(c) ->> 'check_at')::timestamptz <= now()
     ) as busy`,
  );
  return row?.busy === true;
}
