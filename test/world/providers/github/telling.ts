import type { SimulatorContext } from '../../simulator.ts';
import type { App } from './app.ts';
import { type AppNews, appNews } from './app-news.ts';
import type { Books } from './caller.ts';
import { type DeliveryBook, deliveryBook } from './deliveries.ts';
import { type HookBook, hookBook } from './hooks.ts';
import { type Pings, pingBook } from './pings.ts';

/** What tells the world outside of what happens. */
export interface Telling {
  hooks: HookBook;
  deliveries: DeliveryBook;
  pings: Pings;
  /** Null for an OAuth App, which is told nothing of itself. */
  news: AppNews | null;
}

export function tellingOf(context: SimulatorContext, app: App | null, { installations }: Books): Telling {
  const hooks = hookBook(context, app);
  const deliveries = deliveryBook(context, hooks, app);
  return {
    hooks,
    deliveries,
    pings: pingBook(deliveries),
    news: app && appNews(app, installations, hooks, deliveries),
  };
}
