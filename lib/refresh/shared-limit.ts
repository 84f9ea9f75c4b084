import { providers } from '../../providers/index.ts';

const shared = new Set(
  providers.filter(({ auth }) => auth.type === 'oauth' && !auth.refresh?.isAccounts).map(({ id }) => id),
);

/** Whether a limit on token requests is on our app as a whole; else on one account, at its own host or client. */
export function isLimitShared(providerId: string): boolean {
  return shared.has(providerId);
}
