import type { Caller } from '../access.ts';
import type { Services } from '../services.ts';

/** What every handler finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    services: Services;
    /** Set on routes that need a session. */
    caller: Caller;
    /** Whether this failed sign-in was counted at an earlier request. */
    isCounted: boolean;
    /** More for the request's log line. */
    logged: Record<string, string>;
  };
}
