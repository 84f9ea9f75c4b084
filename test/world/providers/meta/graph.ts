import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatorContext } from '../../simulator.ts';
import { adRoutes } from './ads.ts';
import { type Caller, callerOf, noPerson } from './caller.ts';
import { appRefusal, GraphError, unknownObject } from './errors.ts';
import { type Person, personNamed } from './fixtures.ts';
import { usageOf } from './limits.ts';
import { fields, readQuery, select } from './nodes.ts';
import { accessToken, debugToken } from './oauth.ts';
import { type Book, grantedTo, type TokenRecord } from './records.ts';
import { isVersion, versionState } from './versions.ts';

type Env = { Variables: { caller: Caller } };

/** `permissions` is an edge, which may be asked for like a field (docs/graph-api/guides/field-expansion). */
const USER = {
  type: 'User',
  known: ['id', 'name', 'first_name', 'last_name', 'email', 'permissions'],
  defaults: ['id', 'name'],
};

/** graph.facebook.com. */
export function graphApi(context: SimulatorContext, book: Book): Hono<Env> {
  const { store, client, now } = context;
  const api = new Hono<Env>();

  api.onError((error) => {
    if (error instanceof GraphError) return error.response();
    throw error;
  });
  api.notFound((c) => unknownPath(c).response());

  // A call without a version is served with the app's oldest one; here only where the docs show it so.
  api.use('/:version/*', async (c, next) => {
    const version = c.req.param('version');
    if (c.req.path !== '/debug_token') {
      const state = versionState(version, now());
      if (state === 'unknown') throw unknownPath(c);
      // The Graph API serves an ended version with the next one; the Marketing API refuses it.
      if (state === 'ended') {
        const message = '(#2635) You are calling a deprecated version of the Ads API.';
        throw new GraphError({ code: 2635, message });
      }
    }
    const refused = appRefusal(store);
    if (refused) throw refused;
    const faults = store.get<number>('settings.transient') ?? 0;
    if (faults > 0) {
      store.set('settings.transient', faults - 1);
      const message = 'An unexpected error has occurred. Please retry your request later.';
      throw new GraphError({ code: 2, status: 500, transient: true, message });
    }
    await next();
    c.header('facebook-api-version', isVersion(version) ? version : 'v21.0');
  });

  api.on(['GET', 'POST'], '/:version/oauth/access_token', accessToken(context, book));
  api.on('GET', ['/debug_token', '/:version/debug_token'], debugToken(context, book));

  api.use('/:version/*', async (c, next) => {
    c.set('caller', callerOf(c, context, book));
    const usage = usageOf(context, /\/act_(\d+)/.exec(c.req.path)?.[1]);
    if (usage.refusal) throw usage.refusal;
    await next();
    for (const [name, value] of Object.entries(usage.headers)) c.header(name, value);
  });

  function personOf(record: TokenRecord): { record: TokenRecord; person: Person; id: string } {
    const person = personNamed(record.person);
    if (!person) throw new Error(`no such person: ${record.person}`);
    return { record, person, id: record.app === client.id ? person.id : person.elsewhere };
  }

  function current(c: Context<Env>) {
    const caller = c.get('caller');
    if (caller === 'app') throw noPerson();
    return personOf(caller);
  }

  api.get('/:version/me', (c) => {
    const query = readQuery(c, z.strictObject({ fields }));
    const { record, person, id } = current(c);
    const [first_name, last_name] = person.name.split(' ');
    const email = grantedTo(store, record).includes('email') ? person.email : undefined;
    const permissions = { data: permissionsOf(record) };
    const node = { id, name: person.name, first_name, last_name, email, permissions };
    return c.json(select(node, query.fields, USER));
  });

  /** The person of /me or of their id: with their own token, or with that of the app. */
  function subject(c: Context<Env>): { app: string; person: string } {
    const who = c.req.param('user') ?? '';
    const caller = c.get('caller');
    if (caller !== 'app') {
      const { record, id } = personOf(caller);
      if (who !== 'me' && who !== id) throw unknownObject(who, c.req.method.toLowerCase());
      return record;
    }
    if (who === 'me') throw noPerson();
    const found = book.peopleOf(client.id).find((name) => personNamed(name)?.id === who);
    if (found === undefined) throw unknownObject(who, c.req.method.toLowerCase());
    return { app: client.id, person: found };
  }

  function permissionsOf({ app, person }: { app: string; person: string }) {
    const expired = now() >= book.dataAccessEnds(app, person);
    const { permissions = {} } = book.grant(app, person) ?? {};
    return Object.entries(permissions).map(([permission, status]) => ({
      permission,
      status: expired && status === 'granted' && permission !== 'public_profile' ? 'expired' : status,
    }));
  }

  api.get('/:version/:user/permissions', (c) => {
    readQuery(c, z.strictObject({}));
    return c.json({ data: permissionsOf(subject(c)) });
  });

  api.delete('/:version/:user/permissions', (c) => {
    readQuery(c, z.strictObject({}));
    const { app, person } = subject(c);
    book.removeApp(app, person);
    return c.json({ success: true });
  });

  api.delete('/:version/:user/permissions/:permission', (c) => {
    readQuery(c, z.strictObject({}));
    const { app, person } = subject(c);
    const permission = c.req.param('permission');
    const grant = book.grant(app, person);
    if (grant?.permissions[permission] !== 'granted' || permission === 'public_profile') {
      throw new GraphError({ code: 100, message: '(#100) Invalid parameter: permission' });
    }
    book.saveGrant(app, person, {
      ...grant,
      permissions: { ...grant.permissions, [permission]: 'declined' },
    });
    return c.json({ success: true });
  });

  adRoutes(api, context, book, current);
  return api;
}

/** What follows the first part of a path, which may be a version. */
function unknownPath(c: Context): GraphError {
  const [first = '', ...rest] = c.req.path.split('/').slice(1);
  const path = isVersion(first) && rest.length > 1 ? rest.slice(1) : rest;
  return new GraphError({ code: 2500, message: `Unknown path components: /${path.join('/')}` });
}
