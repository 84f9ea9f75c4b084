import worker from '../../functions/index.ts';
import { CLOCK_SWITCH } from './clock-switch.ts';
import { asInvocation, boundConnections, countKv, countSubrequest } from './invocation.ts';
import { KV_LOG, KV_SWITCH, QUEUE_SWITCH } from './kv-log.ts';

/** `KV_TOLL`: who is asked before each get and put, and may take his time. */
type LocalEnv = Env & { PROVIDER_GATEWAY: string; KV_TOLL?: string };

boundConnections();

/**
 * The Worker as it is deployed, in the local world: its operations on KV are told and can be made to fail, its clock
 * can be moved, its invocations have the platform's bounds, and the browser is sent to `GATEWAY/HOST/PATH` instead of
 * `https://HOST/PATH`. Nothing else changes here.
 */
export default {
  scheduled: (controller, env) => asInvocation(() => worker.scheduled(controller, localised(env))),
  queue: (batch, env, context) => asInvocation(() => worker.queue(batch, localised(env), context)),
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/cdn-cgi/handler/scheduled') return fire(searchParams.get('cron') ?? '', env);
    if (pathname === KV_SWITCH) {
      isKvDown = searchParams.has('down');
      return new Response('ok');
    }
    if (pathname === QUEUE_SWITCH) {
      areQueuesDown = searchParams.has('down');
      areQueuesDeaf = searchParams.has('deaf');
      return new Response('ok');
    }
    if (pathname === CLOCK_SWITCH) {
      moveClock(Number(searchParams.get('shift')));
      return new Response('ok');
    }
    const response = await asInvocation(() => worker.fetch(request, localised(env), context));
    const type = response.headers.get('content-type') ?? '';
    const leaves = pathname.endsWith('/authorize') || pathname.startsWith('/cockpit/connect/');
    if (!leaves || !response.ok || !/json|html/.test(type)) return response;
    const text = await response.text();
    const bent = text.replaceAll(
      /(authorization_url":"|url=|href=")https:\/\//g,
      (_, before: string) => `${before}${env.PROVIDER_GATEWAY}/`,
    );
    return new Response(bent, { status: response.status, headers: response.headers });
  },
} satisfies ExportedHandler<LocalEnv>;

/** Fires a cron by hand, at the path where wrangler has it. */
async function fire(cron: string, env: LocalEnv): Promise<Response> {
  try {
    const controller = { cron, scheduledTime: Date.now(), noRetry: () => undefined };
    await asInvocation(() => worker.scheduled(controller, localised(env)));
    return new Response('ok');
  } catch {
    return new Response('exception', { status: 500 });
  }
}

const made = new WeakMap<LocalEnv, LocalEnv>();

function localised(env: LocalEnv): LocalEnv {
  const known = made.get(env) ?? {
    ...env,
    STATES: watched(env.STATES, env.KV_TOLL),
    REVOCATIONS: breakable(env.REVOCATIONS),
    REFRESHES: breakable(env.REFRESHES),
    CHECKS: breakable(env.CHECKS),
    EVENTS: breakable(env.EVENTS),
    LARGE_EVENTS: breakable(env.LARGE_EVENTS),
    WEBHOOKS: breakable(env.WEBHOOKS),
  };
  made.set(env, known);
  return known;
}

const RealDate = Date;

/** Timers stay real. */
function moveClock(shift: number): void {
  const now = () => RealDate.now() + shift;
  globalThis.Date = new Proxy(RealDate, {
    construct: (date, words, self) => Reflect.construct(date, words.length === 0 ? [now()] : words, self),
    apply: () => new RealDate(now()).toString(),
    get: (date, name) => (name === 'now' ? now : Reflect.get(date, name)),
  });
}

let isKvDown = false;

let areQueuesDown = false;

let areQueuesDeaf = false;

/** Takes nothing while the queues are down, and loses what it takes while they are deaf. */
function breakable(queue: Queue): Queue {
  return new Proxy(queue, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...words: unknown[]) => {
        countSubrequest();
        if (areQueuesDown) throw new Error('the queues are down');
        if (areQueuesDeaf) return undefined;
        return Reflect.apply(member, target, words);
      };
    },
  });
}

/** Tells each get and put; whatever is asked fails while KV is down. */
function watched(kv: KVNamespace, toll: string | undefined): KVNamespace {
  return new Proxy(kv, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...words: unknown[]) => {
        countSubrequest();
        countKv();
        if (name === 'get' || name === 'put') {
          console.debug(`${KV_LOG}${name}`);
          if (toll !== undefined) await fetch(`${toll}/${name}`);
        }
        if (isKvDown) throw new Error('KV is down');
        return Reflect.apply(member, target, words);
      };
    },
  });
}
