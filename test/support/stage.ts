import { neighbourOptions, type Stage } from '../chaos/stage.ts';
import { openWorld } from './open-world.ts';

/** Where a test plays a scenario of the chaos harness, in its small form. */
export const stage: Stage = {
  open: (options) => openWorld({ descriptions: undefined, ...options }),
  beside: (world) => openWorld({ descriptions: undefined, ...neighbourOptions(world) }, world.database),
};
