const analytics = (name: string) => `https://www.googleapis.com/auth/${name}`;

/** The discovery documents (analyticsdata v1beta 20260909, analyticsadmin v1beta 20260908): one of them each. */
export const DATA_SCOPES = [analytics('analytics'), analytics('analytics.readonly')];
export const ADMIN_SCOPES = [analytics('analytics.edit'), analytics('analytics.readonly')];
export const SCOPES = [...DATA_SCOPES, ...ADMIN_SCOPES];
