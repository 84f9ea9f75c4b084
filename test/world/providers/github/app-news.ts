import { randomUUID } from 'node:crypto';
import { simpleUser, userOf } from './accounts.ts';
import type { App } from './app.ts';
import type { Delivery, DeliveryBook } from './deliveries.ts';
import { actorFor, organizationPart } from './event-parts.ts';
import { encode, type HookBook } from './hooks.ts';
import { type Installation, type InstallationBook, installationObject } from './installations.ts';
import { fullName, type Repository } from './repositories.ts';

export const INSTALLATION_ACTIONS = [
  'created',
  'deleted',
  'suspend',
  'unsuspend',
  'new_permissions_accepted',
] as const;

/** What a test wants otherwise: the GUID, the body. */
export interface Wish {
  delivery?: string | undefined;
  payload?: string | undefined;
}

export type AppNews = ReturnType<typeof appNews>;

/** What an App is told of itself (webhook-events-and-payloads), about what has just been done. */
export function appNews(
  app: App,
  installations: InstallationBook,
  hooks: HookBook,
  deliveries: DeliveryBook,
) {
  async function tell(
    event: string,
    action: string,
    record: Installation | null,
    fields: Record<string, unknown>,
    { delivery = randomUUID(), payload }: Wish = {},
  ): Promise<Delivery[]> {
    const hook = hooks.ofApp();
    if (!hook?.active) return [];
    const body = {
      action,
      ...(record && { installation: installationObject(app, record), ...organizationPart(record.account) }),
      ...fields,
    };
    const message = {
      guid: delivery,
      event,
      action,
      installation: record?.id ?? null,
      repository: null,
      ...encode(hook, payload, body),
    };
    return [await deliveries.send(hook, message)];
  }
  const senderFor = (record: Installation) => ({ sender: simpleUser(actorFor(record.account)) });

  const news = {
    installation: (record: Installation, action: (typeof INSTALLATION_ACTIONS)[number], wish?: Wish) =>
      tell(
        'installation',
        action,
        record,
        {
          repositories: installations.covered(record).map(shortRepository),
          ...(action === 'created' && { requester: null }),
          ...senderFor(record),
        },
        wish,
      ),

    repositories: (
      record: Installation,
      action: 'added' | 'removed',
      repositories: Repository[],
      wish?: Wish,
    ) =>
      tell(
        'installation_repositories',
        action,
        record,
        {
          repository_selection: record.repositories === 'all' ? 'all' : 'selected',
          repositories_added: action === 'added' ? repositories.map(shortRepository) : [],
          repositories_removed: action === 'removed' ? repositories.map(shortRepository) : [],
          requester: null,
          ...senderFor(record),
        },
        wish,
      ),

    /** Each kind of change has a message; from all to some, none says which have gone. */
    async selection(before: Installation, after: Installation): Promise<void> {
      const [old, now] = [installations.covered(before), installations.covered(after)];
      const added = now.filter(({ id }) => !old.some((each) => each.id === id));
      const removed = old.filter(({ id }) => !now.some((each) => each.id === id));
      if (added.length > 0) await news.repositories(after, 'added', added);
      if (removed.length > 0) {
        await news.repositories(after, 'removed', before.repositories === 'all' ? [] : removed);
      }
    },

    revoked: (login: string, wish?: Wish) =>
      tell('github_app_authorization', 'revoked', null, { sender: simpleUser(userOf(login)) }, wish),
  };
  return news;
}

/** The schema `webhooks_repositories`. */
const shortRepository = (repository: Repository) => ({
  id: repository.id,
  node_id: btoa(`010:Repository${repository.id}`),
  name: repository.name,
  full_name: fullName(repository),
  private: repository.private,
});
