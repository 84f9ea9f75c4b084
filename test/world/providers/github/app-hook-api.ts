import { type Context, Hono } from 'hono';
import { listDeliveries, redeliver, showDelivery } from './delivery-api.ts';
import { refuse } from './door.ts';
import { configBody, readPart } from './hook-fields.ts';
import { configObject, type Hook } from './hooks.ts';
import { readBody } from './json-body.ts';
import type { Telling } from './telling.ts';

const PAGE = '/apps/webhooks';

/** The App's one webhook, for the App as itself (rest/apps/webhooks); whoever mounts it checks the JWT. */
export function appHookApi({ hooks, deliveries }: Telling): Hono {
  const api = new Hono();

  const forHook = (answer: (c: Context, hook: Hook) => Response | Promise<Response>) => (c: Context) => {
    const hook = hooks.ofApp();
    return hook ? answer(c, hook) : refuse(404, 'Not Found', PAGE);
  };
  const shown = (c: Context, hook: Hook) => c.json(configObject(hook));

  api.get('/app/hook/config', forHook(shown));

  api.patch(
    '/app/hook/config',
    forHook(async (c, hook) => {
      const body = await readBody(c, configBody, PAGE);
      if (body instanceof Response) return body;
      const config = readPart(body);
      if (Array.isArray(config)) return refuse(422, 'Validation Failed', PAGE, { errors: config });
      hooks.configureApp(config);
      return shown(c, hooks.ofApp() ?? hook);
    }),
  );

  api.get(
    '/app/hook/deliveries',
    forHook((c, hook) => listDeliveries(c, deliveries, hook, PAGE)),
  );

  api.get(
    '/app/hook/deliveries/:delivery',
    forHook((c, hook) => showDelivery(c, deliveries, hook, PAGE)),
  );

  api.post(
    '/app/hook/deliveries/:delivery/attempts',
    forHook((c, hook) => redeliver(c, deliveries, hook, PAGE)),
  );

  return api;
}
