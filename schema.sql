-- The Connectors API's tables. Safe to apply to an empty database and to apply again.
-- PostgreSQL 15 or newer (unique nulls not distinct).

-- The Cockpit's tables, shared with us: rows come and go under us, and what they say holds at once.
-- Nothing of ours references them with a foreign key, so that the Cockpit can delete without asking; what
-- is left behind finds no owner any more and answers like something that never was.

create table if not exists users (
  id uuid primary key default gen_random_uuid(),
  name text not null
);

create table if not exists teams (
  id uuid primary key default gen_random_uuid(),
  name text not null
);

create table if not exists team_members (
  team_id uuid not null references teams (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  primary key (team_id, user_id)
);
create index if not exists team_members_by_user on team_members (user_id, team_id);

create table if not exists brands (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams (id) on delete cascade,
  name text not null
);
create index if not exists brands_by_team on brands (team_id);

create table if not exists sessions (
  id text primary key, -- lower-case hex SHA-256 of the session token, which is stored nowhere
  user_id uuid not null references users (id) on delete cascade,
  expires_at timestamptz not null
);
create index if not exists sessions_by_user on sessions (user_id);

-- Whose something is: a row of a user, in a brand's scope or in their own. `loss` says since what it is nobody's any
-- more: `owner_gone`, `brand_gone` or `membership_ended`; null while its owner is there. `tenant_id` is who is told of
-- it: the brand's team; without a brand the only team that the user is in, or else the user alone. Every statement over
-- connections, webhooks and events asks here. It is put into the statement's own plan, as joins by primary key.
create or replace function owner_of(of_user uuid, of_brand uuid)
returns table (loss text, tenant_id uuid) language sql stable as $$
  select
    case
      when u.id is null then 'owner_gone'
      when of_brand is not null and b.id is null then 'brand_gone'
      when of_brand is not null and m.user_id is null then 'membership_ended'
    end,
    case when of_brand is not null then b.team_id
      else coalesce(
        (select case when count(*) = 1 then min(t.team_id::text)::uuid end from team_members t where t.user_id = of_user),
        u.id
      ) end
  from (values (1)) as one (n)
  left join users u on u.id = of_user
  left join brands b on b.id = of_brand
  left join team_members m on m.team_id = b.team_id and m.user_id = of_user
$$;

-- A tenant's data keys, wrapped by KMS. The tenant is the team, or the user who belongs to none. Deleting a
-- tenant's rows makes everything it ever sealed unreadable.
create table if not exists data_keys (
  id uuid primary key,
  tenant_id uuid not null,
  generation integer not null check (generation > 0),
  kms_key_id text not null,
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz, -- since when a newer generation is to take its place
  resealed_at timestamptz, -- when it had: all that it sealed and that opens is sealed with a newer one
  unique (tenant_id, generation)
);
-- Tables from before data keys were rotated.
alter table data_keys add column if not exists retired_at timestamptz;
alter table data_keys add column if not exists resealed_at timestamptz;
-- How often it has sealed, by sample: AES-GCM's random IVs bear a bounded number under one key.
alter table data_keys add column if not exists sealings bigint not null default 0;
-- Keys that are due to be rotated.
create index if not exists data_keys_by_age on data_keys (created_at) where retired_at is null;
create index if not exists data_keys_worn on data_keys (id) where retired_at is null and sealings >= 1048576;
create index if not exists data_keys_unfinished on data_keys (retired_at)
  where retired_at is not null and resealed_at is null;

create table if not exists connections (
  id uuid primary key,
  user_id uuid not null,
  brand_id uuid, -- null: the user's own scope
  tenant_id uuid not null, -- whose data key seals the credential
  heard_by uuid, -- the tenant that it has come to be of since, as far as was looked: its end is told there
  provider text not null,
  type text not null check (type in ('oauth', 'api_key', 'service_account')),
  status text not null check (status in ('connected', 'reauthorization_required', 'disconnected')),
  account_id text not null,
  account_name text,
  grant_id text not null, -- `identity` of the row in `grants` that it lives on
  credential_id text, -- keyed hash of the access token or key: two rows that hold the same one are known by it
  client_id text, -- of our client that its tokens were issued to; null of keys, and where that is not known
  scopes text[] not null default '{}',
  missing_scopes text[] not null default '{}',
  config jsonb not null default '{}',
  version integer not null default 1, -- of the credential: every sealing is a new one, bound into the envelope
  data_key_id uuid references data_keys (id) on delete set null,
  credential bytea, -- envelope: the access token or the key
  refresh_token bytea, -- envelope: what the next access token is asked with, be it the key that was pasted
  expires_at timestamptz,
  refresh_token_expires_at timestamptz,
  refresh_at timestamptz, -- when it is due for a refresh
  check_at timestamptz, -- when the provider is asked whether it works still: a refresh finds out of the grant alone
  reauthorize_by timestamptz,
  expiring_told timestamptz, -- the reauthorize_by that its owner was told of
  previous_refresh_token bytea, -- envelope: what the standing one came in place of, until that has worked once
  lease_id uuid, -- of whoever is refreshing it
  lease_until timestamptz,
  unheard_since timestamptz, -- since when no answer is known to a refresh that may have spent a token good for one use
  failures integer not null default 0, -- refreshes in a row that came to nothing
  last_refreshed_at timestamptz,
  last_error_code text,
  last_error_message text,
  last_error_at timestamptz,
  connected_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (user_id, brand_id, provider),
  check (status <> 'disconnected' or (credential is null and refresh_token is null))
);
-- Tables from before grants were told from accounts.
alter table connections add column if not exists grant_id text;
update connections set grant_id = account_id where grant_id is null;
alter table connections alter column grant_id set not null;
-- Tables from before connections were refreshed.
alter table connections add column if not exists expiring_told timestamptz;
alter table connections add column if not exists previous_refresh_token bytea;
alter table connections add column if not exists lease_id uuid;
alter table connections add column if not exists lease_until timestamptz;
alter table connections add column if not exists failures integer not null default 0;
-- Tables from before grants were rows of their own.
alter table connections add column if not exists credential_id text;
alter table connections add column if not exists check_at timestamptz;
alter table connections add column if not exists heard_by uuid;
-- Tables from before it was known which client of ours a token is of, and what a lost answer may have brought.
alter table connections add column if not exists client_id text;
alter table connections add column if not exists unheard_since timestamptz;
update connections set check_at = now() + random() * interval '1 day'
where status = 'connected' and check_at is null;
drop index if exists connections_by_account;
create index if not exists connections_by_brand on connections (brand_id) where brand_id is not null;
create index if not exists connections_by_grant on connections (provider, grant_id) where status <> 'disconnected';
create index if not exists connections_by_data_key on connections (data_key_id);
-- Who has an account by a key: there may be another hash of the very same one.
create index if not exists connections_by_key_account on connections (provider, account_id)
  where type = 'api_key' and status = 'connected';
-- What the cron reads of connections: no more than these, and a part of all in turn.
drop index if exists connections_due;
drop index if exists connections_by_refresh;
create index if not exists connections_by_due on connections (refresh_at) include (id, provider) where refresh_at is not null;
create index if not exists connections_by_ending on connections (reauthorize_by) include (id, expiring_told)
  where reauthorize_by is not null and status = 'connected';
create index if not exists connections_by_check on connections (check_at) include (id) where check_at is not null;
create index if not exists connections_by_last_refresh on connections (refresh_token_expires_at) include (id)
  where refresh_token_expires_at is not null and status = 'connected';
-- Whom a provider's app in order again is good news for: asked at every refresh, and hardly ever anybody.
create index if not exists connections_refused on connections (provider) where last_error_code = 'client_refused';

-- What a provider ends as a whole, whoever's connections live on it: an installation, a person's authorization of our
-- app, a pasted key. The row is what is locked while it is decided who is the last; one that is missing is made anew.
create table if not exists grants (
  provider text not null,
  identity text not null, -- by which the provider knows it; of keys and single tokens a keyed hash
  ended_at timestamptz, -- when the provider has confirmed its end: what was asked for before that ended with it
  ending_until timestamptz, -- the provider is being asked to end it: what is connected meanwhile may end with it
  ending_by uuid, -- for which row in revocations
  primary key (provider, identity)
);
create index if not exists grants_ended on grants (ended_at) where ended_at is not null;

-- Holds a grant until the transaction ends, and tells how it stands once it is held: others may have ended or joined
-- while it was waited for, which the snapshot of the calling statement does not see. `others` counts the connections
-- that live on it by the same client of ours, but for one; `twins` those of them that hold the very credential, `unsure` those of which that is not
-- known. With `ending` (the id of a row in revocations) and `ending_seconds` it is marked as being ended by that where
-- nobody else lives on it; `is_ending` says that another is at it.
drop function if exists hold_grant(text, text, uuid, text, integer);
create or replace function hold_grant(
  of_provider text, of_identity text, of_client text, but_for uuid, of_credential text, ending uuid, ending_seconds integer
) returns table (ended_at timestamptz, is_ending boolean, others integer, twins integer, unsure integer)
language plpgsql set lock_timeout = '3500ms' as $$
#variable_conflict use_column
declare
  held grants;
  living integer;
  same integer;
  unknown integer;
begin
  loop
    insert into grants (provider, identity) values (of_provider, of_identity) on conflict do nothing;
    select * into held from grants g where g.provider = of_provider and g.identity = of_identity for update;
    exit when found;
  end loop;
  select count(*), count(*) filter (where c.credential_id = of_credential),
    count(*) filter (where c.credential_id is null or of_credential is null) into living, same, unknown
  from connections c cross join lateral owner_of(c.user_id, c.brand_id) o
  where c.provider = of_provider and c.grant_id = of_identity and c.status = 'connected' and o.loss is null
    and (c.client_id is null or of_client is null or c.client_id = of_client) and c.id is distinct from but_for;
  is_ending := coalesce(held.ending_until > clock_timestamp(), false) and held.ending_by is distinct from ending;
  if ending_seconds is not null and living = 0 and not is_ending then
    update grants g set ending_by = ending, ending_until = clock_timestamp() + make_interval(secs => ending_seconds)
    where g.provider = of_provider and g.identity = of_identity;
  end if;
  return query select held.ended_at, is_ending, living, same, unknown;
end
$$;

-- How a provider's app fares as a whole: while it is refused or limited, none of its connections is refreshed.
create table if not exists provider_states (
  provider text primary key,
  paused_until timestamptz,
  reason text check (reason in ('client_refused', 'rate_limited')),
  refusals integer not null default 0, -- of our client, since the last refresh that went well
  since timestamptz -- of the first of them
);

-- What happened to a connection or at its provider, on its way to the agent.
create table if not exists events (
  id uuid primary key,
  type text not null,
  provider text not null,
  connection_id uuid not null,
  tenant_id uuid not null,
  user_id uuid not null,
  brand_id uuid,
  account_id text not null,
  occurred_at timestamptz not null,
  received_at timestamptz not null default now(),
  data text not null default '{}' -- JSON as it came: a number past 2^53 would be another one in jsonb's readers
);
-- Tables from before webhooks.
alter table events alter column data drop default;
alter table events alter column data type text using data::text;
alter table events alter column data set default '{}';
alter table events add column if not exists topic text; -- by the provider's own name; null of a connection's own events
alter table events add column if not exists delivery_id text; -- as the provider names the delivery, or the signed event
alter table events add column if not exists meaning text; -- what it says of the connection itself, until that is done
alter table events add column if not exists subject text; -- what it is about, and as of when
alter table events add column if not exists body_hash bytea; -- SHA-256, where nothing signed names the delivery
-- `kept`: the agent is not told. `dead`: it was told as often as it may be, and never took it.
alter table events add column if not exists status text not null default 'pending'
  check (status in ('pending', 'delivered', 'dead', 'kept'));
alter table events add column if not exists attempts integer not null default 0;
alter table events add column if not exists next_attempt_at timestamptz not null default now();
alter table events add column if not exists lease_id uuid; -- of whoever is telling the agent
alter table events add column if not exists last_error text;
alter table events add column if not exists delivered_at timestamptz;
alter table events add column if not exists replays integer not null default 0; -- redeliveries that were asked for
-- Who reads event by event must not pass one that commits later: what is older than all that is under way is in order.
alter table events add column if not exists written_in xid8 not null default pg_current_xact_id();
create index if not exists events_by_age on events (received_at);
drop index if exists events_by_owner;
create index if not exists events_by_feed on events (user_id, brand_id, written_in, id) where status <> 'kept';
create unique index if not exists events_by_delivery on events (connection_id, delivery_id) where delivery_id is not null;
create unique index if not exists events_by_body on events (connection_id, body_hash) where body_hash is not null;
create index if not exists events_received on events (connection_id, received_at) where topic is not null;
-- What a provider has told is in `payloads`; `data` says what stands for it once it is not there any more.
alter table events add column if not exists payload_id uuid;
alter table events add column if not exists payload_bytes integer not null default 0;
create index if not exists events_by_payload on events (payload_id) where payload_id is not null;
-- Whose agent it is being told, or waits to be told by, one after the other: see `lanes`.
alter table events add column if not exists lane uuid;
create index if not exists events_in_lane on events (lane, id) where lane is not null and lease_id is null;
create index if not exists events_told on events (lane, lease_id) where lane is not null and lease_id is not null;
-- What the cron hands to the queue; those that wait for others of their lane have a share of their own.
drop index if exists events_pending;
create index if not exists events_due on events (next_attempt_at) include (id, payload_bytes)
  where status = 'pending' and (lane is null or lease_id is not null);
-- What waits for want of an agent, until infinity.
create index if not exists events_waiting on events (tenant_id, id)
  where status = 'pending' and last_error = 'no agent';
create index if not exists events_waiting_in_turn on events (id) where status = 'pending' and last_error = 'no agent';
-- Rows from before the body of what was acted on could come again.
update events set body_hash = null
where body_hash is not null and status in ('kept', 'dead') and type = '' and (
  topic in ('app/uninstalled', 'app/scopes_update', 'customers/data_request', 'customers/redact', 'shop/redact')
  or topic ~ '^(installation|installation_repositories|github_app_authorization)(\.|$)'
);

-- Where a connection's provider tells what happens.
create table if not exists webhooks (
  connection_id uuid primary key,
  provider text not null,
  status text not null check (status in ('active', 'failed', 'none')), -- none: nothing is to be watched
  error text, -- why it failed, for its owner
  registered jsonb not null default '[]', -- at the provider: [{id, target, isUnseen}], id empty where none was told
  watched text[] not null default '{}', -- what its owner has chosen, where there is a choice
  facts jsonb not null default '{}', -- what a delivery says of itself, and must be so
  routes text[] not null default '{}', -- by which deliveries to the app as a whole find it
  tenant_id uuid not null,
  data_key_id uuid references data_keys (id) on delete set null,
  secret bytea, -- envelope: what its deliveries are signed with, where each connection has its own
  version integer not null default 1, -- of the secret
  check_at timestamptz not null default now(), -- when it is looked after next
  lease_id uuid,
  failures integer not null default 0,
  updated_at timestamptz not null default now()
);
create index if not exists webhooks_due on webhooks (check_at) include (connection_id);
create index if not exists webhooks_by_route on webhooks using gin (routes);
create index if not exists webhooks_by_data_key on webhooks (data_key_id);
-- Who was at it when its connection ended is not any more.
update webhooks set lease_id = null where check_at = 'infinity' and lease_id is not null;
-- Of accounts that others have taken the place of: what they want forgotten may be kept still.
alter table webhooks add column if not exists past_routes text[] not null default '{}';
-- Up to when all that happened is known to have been told.
alter table webhooks add column if not exists complete_until timestamptz;
-- When a delivery last did not fit the secret, as far as that counts, and which version of it; no version once that was
-- seen to.
alter table webhooks add column if not exists refused_at timestamptz;
alter table webhooks add column if not exists refused_version integer;
create index if not exists webhooks_by_past_route on webhooks using gin (past_routes);

-- Where a tenant's agent takes its events; without a row, where the Worker is told.
create table if not exists agents (
  tenant_id uuid primary key,
  url text not null,
  data_key_id uuid references data_keys (id) on delete set null,
  secret bytea not null, -- envelope: what events are signed with
  updated_at timestamptz not null default now()
);

-- What providers have told, in parts, each sealed under a key that is derived for the payload from a data key of the
-- tenant's. A tenant has the same bytes once, however many of its events say them. Forgotten with the last of these,
-- and with the data key.
create table if not exists payloads (
  id uuid not null, -- keyed hash of the tenant and the bytes
  part integer not null, -- from 0 on
  tenant_id uuid not null,
  data_key_id uuid not null, -- no reference: each delivery would lock the row of its tenant's key
  sealed bytea not null,
  written_at timestamptz not null default now(), -- the last time that an event came to say it
  primary key (id, part)
);
-- What is sealed does not become smaller, and most of it fits a page with the rest of its row.
alter table payloads alter column sealed set storage external;
alter table payloads set (toast_tuple_target = 8160);
-- Of those that are written before an event says them: whoever wrote them may have vanished.
create index if not exists payloads_alone on payloads (written_at) where octet_length(sealed) > 131072;

-- How an agent's address fares, where there is something to say of it: else what it is told is begun as it comes.
create table if not exists lanes (
  id uuid primary key, -- whose own agent it is; all zeros: the Worker's
  url text not null, -- another address begins anew
  share integer, -- how many it is told at once at most, since it was slow to answer; null: as many as come
  closed_until timestamptz, -- it has asked for nothing sooner
  gone_at timestamptz, -- it has said that it takes nothing any more
  updated_at timestamptz not null default now()
);

-- Stores a delivery to a connection once, and says what came of it: the event, or no event where it is known already;
-- `fits` is false where the delivery is of another account, `is_sealable` where its payload is sealed for another tenant,
-- or with a key that is gone. No row where there is no such connection. `new_sealed` is null where the payload's parts
-- stand already. A function, since its plan is made once: planning at each delivery takes longer than storing it.
drop function if exists store_delivery(uuid, text, jsonb, uuid, text, timestamptz, text, text, text, text, bytea, text, text);
create or replace function store_delivery(
  for_connection uuid, from_provider text, told_facts jsonb, new_id uuid, new_type text, new_occurred_at timestamptz,
  new_topic text, new_delivery_id text, new_subject text, new_body_hash bytea, new_meaning text, new_status text,
  for_tenant uuid, with_data_key uuid, new_payload_id uuid, new_payload_bytes integer, new_sealed bytea
) returns table (id uuid, status text, fits boolean, is_sealable boolean) language plpgsql as $$
#variable_conflict use_column
declare
  standing integer;
begin
  return query
    insert into events as e (
      id, type, provider, connection_id, tenant_id, user_id, brand_id, account_id, occurred_at, data, payload_id,
      payload_bytes, topic, delivery_id, subject, body_hash, meaning, status
    )
    select new_id, new_type, c.provider, c.id, c.tenant_id, c.user_id, c.brand_id, c.account_id,
      coalesce(new_occurred_at, now()), '{"redacted":true}', new_payload_id, new_payload_bytes, new_topic, new_delivery_id,
      new_subject, new_body_hash, new_meaning, new_status
    from connections c cross join lateral owner_of(c.user_id, c.brand_id) o
      left join webhooks w on w.connection_id = c.id
    where c.id = for_connection and c.provider = from_provider and c.status <> 'disconnected' and o.loss is null
      and (c.config || coalesce(w.facts, '{}')) @> told_facts
      and c.tenant_id = for_tenant and exists (select from data_keys k where k.id = with_data_key)
    on conflict do nothing
    returning e.id, e.status, true, true;
  if found then
    insert into payloads (id, part, tenant_id, data_key_id, sealed)
    select new_payload_id, 0, for_tenant, with_data_key, new_sealed where new_sealed is not null
    on conflict (id, part) do update set written_at = now();
    if new_sealed is null then
      update payloads p set written_at = now() where p.id = new_payload_id;
      get diagnostics standing = row_count;
      -- Somebody has forgotten some of them meanwhile: they are to be written again.
      if standing < greatest(1, ceil(new_payload_bytes / 1000000.0)) then
        raise exception 'payload % is not whole', new_payload_id using errcode = 'serialization_failure';
      end if;
    end if;
  else
    return query
      select null::uuid, null::text, (c.config || coalesce(w.facts, '{}')) @> told_facts,
        c.tenant_id = for_tenant and exists (select from data_keys k where k.id = with_data_key)
      from connections c cross join lateral owner_of(c.user_id, c.brand_id) o
        left join webhooks w on w.connection_id = c.id
      where c.id = for_connection and c.provider = from_provider and c.status <> 'disconnected' and o.loss is null;
  end if;
end
$$;

-- When something was done last, or up to when or where.
create table if not exists marks (
  name text primary key,
  at timestamptz not null,
  reached uuid -- of what is done in parts: up to which row
);
alter table marks add column if not exists reached uuid;

-- To be called after every restore, of a dump or to a point in time. Events are in the order of the transactions that
-- wrote them, whose numbers another cluster counts anew, and a point in time takes back: what has been restored goes
-- before all that is written from here on, and cursors from before begin at the beginning (see lib/events/feed.ts).
create or replace function begin_feed_epoch() returns void language sql as $$
  update events set written_in = '1' where written_in <> '1';
  insert into marks (name, at) values ('feed_epoch', clock_timestamp()) on conflict (name) do update set at = excluded.at
$$;
-- Events that are ahead of all transactions can only be a dump's.
select begin_feed_epoch() where exists (select from events where written_in >= pg_snapshot_xmax(pg_current_snapshot()));

-- States that were presented to a callback: who inserts the row has won (RFC 6749 section 10.12).
create table if not exists consumed_states (
  state_hash text primary key, -- SHA-256 of the state
  claim_id uuid not null, -- the winner, so that a repeated statement knows its own row
  expires_at timestamptz not null
);
create index if not exists consumed_states_by_expiry on consumed_states (expires_at);

-- Tokens that are in no connection's row: of a connection that was disconnected or connected anew, and those that a
-- sign-in has just brought, until it is known whether they are kept. What happens to one is decided when it is due: the
-- grant is ended where nobody lives on it, else the token alone where the provider can; else it waits here. Deleted once
-- the provider has confirmed, or with the grant.
create table if not exists revocations (
  id uuid primary key,
  connection_id uuid not null,
  user_id uuid not null,
  brand_id uuid,
  tenant_id uuid not null,
  provider text not null,
  account_id text, -- null while it is not known whose it is
  grant_id text, -- likewise
  credential_id text, -- as in `connections`
  client_id text, -- likewise
  unheard_since timestamptz, -- likewise
  config jsonb not null,
  version integer not null,
  data_key_id uuid references data_keys (id) on delete cascade,
  credential bytea not null,
  refresh_token bytea,
  expires_at timestamptz, -- of the access token: once past, the provider's word on it says nothing of the grant
  under_way_until timestamptz, -- the provider is being asked: it is nobody else's until then
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  handed_at timestamptz, -- to the queue: until it is read there, or some minutes are over, it is not handed again
  give_up_at timestamptz not null,
  last_error_code text,
  created_at timestamptz not null default now()
);
-- Tables from before tokens without an account waited here.
alter table revocations add column if not exists grant_id text;
alter table revocations add column if not exists credential_id text;
alter table revocations add column if not exists client_id text;
alter table revocations add column if not exists unheard_since timestamptz;
alter table revocations add column if not exists handed_at timestamptz;
alter table revocations alter column account_id drop not null;
alter table revocations alter column grant_id drop not null;
-- Of the account that another has taken the place of: what was registered there, [{id, target}]. Null where the
-- connection's own row in webhooks tells.
alter table revocations add column if not exists registered jsonb;
drop index if exists revocations_by_account;
create index if not exists revocations_due on revocations (next_attempt_at);
create index if not exists revocations_given_up on revocations (give_up_at) where give_up_at <> 'infinity';
create index if not exists revocations_by_data_key on revocations (data_key_id);
create index if not exists revocations_by_grant on revocations (provider, grant_id);

create table if not exists audit_log (
  id uuid primary key default gen_random_uuid(),
  at timestamptz not null default now(),
  tenant_id uuid not null,
  user_id uuid not null,
  brand_id uuid,
  connection_id uuid not null,
  provider text not null,
  action text not null,
  detail jsonb not null default '{}'
);
create index if not exists audit_log_by_connection on audit_log (connection_id, at);
create index if not exists audit_log_by_age on audit_log (at);
drop index if exists audit_log_revoked;

-- Counts the sealings of a data key by the writes of its envelopes. One write in 64 stands for 64, of as many envelopes as
-- such a row holds at most, so that those of a large tenant do not wait for each other at its key's row.
create or replace function count_sealings() returns trigger language plpgsql as $$
begin
  update data_keys set sealings = sealings + 64 * tg_argv[0]::integer where id = new.data_key_id;
  return null;
end
$$;
create or replace trigger count_sealings after insert or update of credential, refresh_token, previous_refresh_token
  on connections for each row when (random() < 1.0 / 64) execute function count_sealings(3);
create or replace trigger count_sealings after insert or update of credential, refresh_token
  on revocations for each row when (random() < 1.0 / 64) execute function count_sealings(2);
create or replace trigger count_sealings after insert or update of secret
  on webhooks for each row when (random() < 1.0 / 64) execute function count_sealings(1);
create or replace trigger count_sealings after insert or update of secret
  on agents for each row when (random() < 1.0 / 64) execute function count_sealings(1);
