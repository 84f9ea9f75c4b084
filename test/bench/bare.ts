import { neon, neonConfig } from '@neondatabase/serverless';
import { Hono } from 'hono';

interface Bare {
  DATABASE_URL: string;
  NEON_FETCH_ENDPOINT: string;
  /** The statement that the product's list makes, and its parameters as JSON. */
  STATEMENT: string;
  PARAMETERS: string;
}

/** The least a Worker could do, with the same driver: the same statement, the same probe and the statement, or an insert. */
const app = new Hono<{ Bindings: Bare }>();

const query = (env: Bare) => {
  neonConfig.fetchEndpoint = env.NEON_FETCH_ENDPOINT;
  return neon(env.DATABASE_URL).query(env.STATEMENT, JSON.parse(env.PARAMETERS));
};

app.get('/list', async (c) => c.json({ connections: await query(c.env) }));

app.post('/connect', async (c) => {
  const { api_key: key } = await c.req.json<{ api_key: string }>();
  const probe = await fetch('https://api.stripe.com/v1/account', {
    headers: { authorization: `Bearer ${key}` },
  });
  const account: unknown = await probe.json();
  return c.json({ account, connections: await query(c.env) });
});

app.post('/insert', async (c) => {
  neonConfig.fetchEndpoint = c.env.NEON_FETCH_ENDPOINT;
  const statement = 'insert into bare_inbox (id, body) values (gen_random_uuid(), $1)';
  await neon(c.env.DATABASE_URL).query(statement, [await c.req.text()]);
  return c.json({ received: true });
});

export default app;
