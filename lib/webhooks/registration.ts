import { sql } from 'kysely';
import type { Access, Provider, Registered, Registration, WantedWebhooks } from '../../providers/provider.ts';
import { randomBytes, toBase64url } from '../bytes.ts';
import { findClient, findProvider } from '../catalog.ts';
import { checkSoon, type Ear, newEar } from '../connections/check-soon.ts';
import type { ConnectionRow } from '../connections/row.ts';
import { openCredential, openKey } from '../connections/sealed.ts';
import { isStillOwned } from '../connections/still-owned.ts';
import { resultOf } from '../dialogue.ts';
import { seal } from '../envelope.ts';
import { OutboundError, outletOf } from '../outbound.ts';
import { Problem } from '../problem.ts';
import type { Services } from '../services.ts';
import { type Claimed, claim, LEASE_SECONDS, sealedSecret } from './claim.ts';
import { dueAtOnce } from './due.ts';
import { misfitOf } from './misfit.ts';
import { type Completeness, recoverMissed, SETTLED_MS } from './missed.ts';
import { openSecrets, secretBinding, textOf } from './secrets.ts';
import { webhookUrl } from './url.ts';

/** In which registering begins something new, and by when it has ended. */
const REGISTERING = { beginMs: 25_000, endMs: 40_000 };
const REGISTERING_WAITED_FOR = { beginMs: 12_000, endMs: 20_000 };
const DAY = 86_400;
const FIRST_RETRY = 300;
const LAST_RETRY = 6 * 3_600;
/** While there is more to be asked for. */
const SOON = 60;
/** Until what was refused before a secret was mended can be asked for. */
const SETTLED = SETTLED_MS / 1_000 + 30;
const HOUR_MS = 3_600_000;

/** How a connection's webhooks stand. */
export interface Outcome {
  status: 'active' | 'failed' | 'none';
  /** Why they failed, for the connection's owner. */
  error: string | null;
}

/**
 * Sees to it that a connection's provider tells us what happens there, and asks for what it has told in vain: two
 * statements, what the provider takes, and a statement for each 200 events that were missed; one more, and what the
 * provider takes to be asked, where deliveries do not fit the secret. Undefined where it is not due, or somebody is at it. Never throws for the outside: what did not work stands in the row, and is tried again.
 * Where somebody waits (`isWaitedFor`), what was missed is asked for later.
 */
export async function lookAfter(
  services: Services,
  connectionId: string,
  { isWaitedFor = false } = {},
): Promise<Outcome | undefined> {
  const row = await claim(services, connectionId);
  const claimedAt = Date.now();
  if (!row) return undefined;
  const provider = findProvider(services.env, row.provider);
  if (!provider?.webhooks) return undefined;
  const ear = newEar();
  try {
    const access = await accessOf(services, provider, row);
    const time = isWaitedFor ? REGISTERING_WAITED_FOR : REGISTERING;
    const misfit = access && (await misfitOf(services, provider, access, row, { isWaitedFor, ear }));
    const registration = access
      ? await register(services, provider, row, { access, misfit, ...time, ear })
      : { registered: [] };
    const isOurs = await isStillOwned(services, connectionId, claimedAt);
    const completeness = isOurs
      ? await complete(services, provider, row, { access, registration, isWaitedFor, ear })
      : undefined;
    return await write(services, provider, row, registration, { completeness, misfit });
  } catch (error) {
    if (!(error instanceof Problem || error instanceof OutboundError)) throw error;
    const failed = `${provider.name} could not be told where to send what happens. It is tried again.`;
    return write(services, provider, row, { failed }, {});
  } finally {
    if (ear.hasHeardRefusal()) await checkSoon(services, connectionId).catch(() => undefined);
  }
}

/** What the provider is asked with; undefined where it is not to be asked. */
async function accessOf(services: Services, provider: Provider, row: Claimed): Promise<Access | undefined> {
  const client = findClient(services.env, provider);
  const isIdle = provider.webhooks?.choices && row.watched.length === 0 && row.registered.length === 0;
  if (!client || isIdle) return undefined;
  const credential = await openCredential(services, row);
  return { credential, config: row.config, client, pinned: row.account_id };
}

/** Whether something of what is wanted is told. */
function isAny(registration: Registration): boolean {
  if (!('registered' in registration)) return false;
  return registration.registered.some(isKnown) || (registration.routes?.length ?? 0) > 0;
}

function isKnown({ id }: Registered): boolean {
  return id !== '';
}

/** Seconds until what was left is to be done; undefined where nothing was. */
function againIn(registration: Registration): number | undefined {
  return 'registered' in registration ? registration.again : undefined;
}

/** Up to when all that happened is known; undefined where that is as before. */
async function complete(
  services: Services,
  provider: Provider,
  { connection_id, account_id, complete_until: since }: Claimed,
  {
    access,
    registration,
    isWaitedFor,
    ear,
  }: { access: Access | undefined; registration: Registration; isWaitedFor: boolean; ear: Ear },
): Promise<Completeness | undefined> {
  // All of it is registered first.
  const isDone = 'registered' in registration && isAny(registration) && registration.again === undefined;
  if (!access || !since || !isDone) return undefined;
  const registered = registration.registered.filter(isKnown);
  if (isWaitedFor) return { until: since, hasMore: Date.now() - since.getTime() > HOUR_MS };
  try {
    const row = { connection_id, account_id, registered, since };
    return await recoverMissed(services, provider, access, row, ear);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // What has been registered is written all the same.
    return undefined;
  }
}

/**
 * Does so at once for a connection that was just made, and gives it as it stands then. What is not done now is due; so
 * is what its owner has chosen before.
 */
export async function withWebhooks(
  services: Services,
  provider: Provider,
  row: ConnectionRow,
): Promise<ConnectionRow> {
  if (!provider.webhooks || provider.webhooks.choices) return row;
  try {
    const outcome = await lookAfter(services, row.id, { isWaitedFor: true });
    return outcome ? { ...row, webhook_status: outcome.status, webhook_error: outcome.error } : row;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return row;
  }
}

/**
 * Keeps in mind what was made by one who had lost the lease: where the connection is another account's by now it goes
 * with the one before, else whoever has it next sees to it.
 */
async function leaveToOthers(
  { postgres }: Services,
  row: Claimed,
  made: readonly Registered[],
): Promise<void> {
  const all = JSON.stringify(made);
  await postgres.rows(sql`
    with to_end as (
      update revocations set registered = ${all}::jsonb
      where connection_id = ${row.connection_id}::uuid and account_id = ${row.account_id} and registered is not null
        and attempts = 0
    ),
    forgotten as (
      select w.connection_id, jsonb_agg(m.made) as made
      from webhooks w join connections c on c.id = w.connection_id and c.account_id = ${row.account_id},
        jsonb_array_elements(${all}::jsonb) as m (made)
      where w.connection_id = ${row.connection_id}::uuid and m.made ->> 'id' <> '' and m.made -> 'target' is not null
        and not w.registered @> jsonb_build_array(jsonb_build_object('id', m.made -> 'id'))
      group by w.connection_id
    )
    update webhooks set registered = registered || forgotten.made, ${dueAtOnce}
    from forgotten where webhooks.connection_id = forgotten.connection_id`);
}

async function register(
  services: Services,
  provider: Provider,
  row: Claimed,
  {
    access,
    misfit,
    beginMs,
    endMs,
    ear,
  }: { access: Access; misfit: WantedWebhooks['misfit']; beginMs: number; endMs: number; ear: Ear },
): Promise<Registration> {
  const { webhooks } = provider;
  if (!webhooks) return { registered: [] };
  const sealed = sealedSecret(row);
  const [known, former] = sealed ? await openSecrets(services, sealed) : [];
  const wanted = {
    url: webhookUrl(services, provider, row.connection_id),
    secret: known ?? (await newSecret(services, provider, row)),
    isSecretKnown: known !== undefined,
    misfit,
    registered: row.registered,
    watched: row.watched,
    until: Date.now() + beginMs,
  };
  const outlet = outletOf(provider, access.config, services.meter);
  const result = await resultOf(webhooks.register(access, wanted), outlet, endMs, ear.hear);
  if (!('registered' in result)) return result;
  const { secret = wanted.secret, isFormerInUse = false, ...rest } = result;
  const before = secret === wanted.secret ? former : known;
  const text = textOf(secret, isFormerInUse ? before : undefined);
  return text === textOf(wanted.secret, former) ? rest : { ...rest, secret: text };
}

/**
 * A new secret. Where the provider takes it from us it is stored before anything is signed with it: what happens while
 * the rest is being registered can be verified.
 */
async function newSecret(services: Services, provider: Provider, row: Claimed): Promise<string> {
  const secret = toBase64url(randomBytes(32));
  if (!provider.webhooks?.choices) return secret;
  const version = row.secret_version + 1;
  const key = await openKey(services, row);
  const sealed = await seal(secret, key.key, key.id, secretBinding({ ...row, version }));
  await services.postgres.rows(sql`
    update webhooks set secret = ${sealed}::bytea, data_key_id = ${key.id}::uuid, version = ${version}::integer
    where connection_id = ${row.connection_id}::uuid and lease_id = ${row.lease_id}::uuid`);
  row.secret_version = version;
  return secret;
}

async function write(
  services: Services,
  provider: Provider,
  row: Claimed,
  outcome: Registration,
  { completeness, misfit }: { completeness?: Completeness | undefined; misfit?: WantedWebhooks['misfit'] },
): Promise<Outcome> {
  const made = 'registered' in outcome ? outcome : undefined;
  const error = 'failed' in outcome ? (outcome.failed ?? null) : null;
  const isLimited = 'limited' in outcome;
  const isWell = made !== undefined && error === null;
  const hasAny = isAny(outcome);
  const status = isWell ? (hasAny ? 'active' : 'none') : 'failed';
  const backoff = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(row.failures, 10));
  const again = againIn(outcome);
  const usual = isWell
    ? completeness?.hasMore
      ? SOON
      : misfit === 'certain'
        ? SETTLED
        : (provider.webhooks?.everySeconds ?? DAY) * (0.8 + Math.random() / 5)
    : isLimited
      ? (outcome.limited ?? FIRST_RETRY)
      : backoff * (0.5 + Math.random() / 2);
  const wait = again ?? usual;
  const version = row.secret_version + 1;
  const key = made?.secret === undefined ? undefined : await openKey(services, row);
  const secret =
    key && made?.secret !== undefined
      ? await seal(made.secret, key.key, key.id, secretBinding({ ...row, version }))
      : null;
  const message = isLimited ? 'There were too many requests. It is tried again.' : error;
  const written = await services.postgres.rows(sql`
    -- Who has ended it meanwhile waits for us.
    with awaited as (
      update revocations r set next_attempt_at = now()
      where r.connection_id = ${row.connection_id}::uuid and r.attempts = 0 and r.next_attempt_at > now()
        and not exists (select from connections c where c.id = r.connection_id and c.status <> 'disconnected')
    )
    update webhooks set
      status = ${status}, error = ${message}, failures = case when ${isWell || again !== undefined} then 0 else failures + 1 end,
      registered = coalesce(${made ? JSON.stringify(made.registered) : null}::jsonb, registered),
      facts = coalesce(${made?.facts ? JSON.stringify(made.facts) : null}::jsonb, facts),
      routes = coalesce(${made?.routes ?? null}::text[], routes),
      secret = coalesce(${secret}::bytea, secret), data_key_id = coalesce(${key?.id ?? null}::uuid, data_key_id),
      complete_until = case
        when ${status} = 'none' then null
        when ${hasAny} then coalesce(${completeness?.until ?? null}::timestamptz, complete_until, now())
        else complete_until end,
      version = case when ${secret !== null} then ${version}::integer else version end,
      -- Where nobody can say yet whether the secret fits that stays in mind, and what has not fitted it since.
      refused_version = case
        when ${made !== undefined && misfit !== 'possible'} and refused_at <= check_at - make_interval(secs => ${LEASE_SECONDS})
        then null else refused_version end,
      -- What has changed since the lease was taken is done at once.
      check_at = case when updated_at > check_at - make_interval(secs => ${LEASE_SECONDS}) then now()
        else now() + make_interval(secs => ${wait}) end,
      lease_id = null, updated_at = now()
    where connection_id = ${row.connection_id}::uuid and lease_id = ${row.lease_id}::uuid
    returning 1`);
  if (written.length === 0 && made) await leaveToOthers(services, row, made.registered);
  return { status, error: message };
}
