import { randomUUID } from 'node:crypto';
import { simpleUser } from './accounts.ts';
import type { App } from './app.ts';
import type { Wish } from './app-news.ts';
import type { Delivery, DeliveryBook } from './deliveries.ts';
import { actorFor, eventRepository, organizationPart } from './event-parts.ts';
import { appHookObject, encode, type Hook, hookObject } from './hooks.ts';
import type { Repository } from './repositories.ts';

const ZEN = 'Keep it logically awesome.';

export type Pings = ReturnType<typeof pingBook>;

/** The event `ping`, whatever a hook is subscribed to. */
export function pingBook(deliveries: DeliveryBook) {
  const send = (
    hook: Hook,
    repository: Repository | null,
    fields: object,
    { delivery = randomUUID(), payload }: Wish,
  ) =>
    deliveries.send(hook, {
      guid: delivery,
      event: 'ping',
      action: null,
      installation: null,
      repository: repository?.id ?? null,
      ...encode(hook, payload, { zen: ZEN, hook_id: hook.id, ...fields }),
    });

  return {
    send: (hook: Hook, repository: Repository, wish: Wish = {}): Promise<Delivery> =>
      send(
        hook,
        repository,
        {
          hook: hookObject(hook, repository),
          repository: eventRepository(repository),
          ...organizationPart(repository.owner),
          sender: simpleUser(actorFor(repository.owner)),
        },
        wish,
      ),

    sendToApp: (hook: Hook, app: App, wish: Wish = {}): Promise<Delivery> =>
      send(hook, null, { hook: appHookObject(hook, app) }, wish),
  };
}
