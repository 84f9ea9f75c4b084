import type { MiddlewareHandler } from 'hono';
import type { SimulatorContext } from '../../simulator.ts';
import {
  apiError,
  bearerToken,
  errorInfo,
  INVALID_CREDENTIAL,
  insufficientScope,
  missingCredential,
} from '../google-ads/google.ts';
import type { ServiceAccount } from './service-accounts.ts';
import { bearerOf } from './tokens.ts';

export type Env = { Variables: { account: ServiceAccount } };

interface Service {
  name: string;
  title: string;
  scopes: readonly string[];
  isEnabled(account: ServiceAccount): boolean;
}

/** What comes before any method: a living token, the API switched on in its project, one of the scopes. */
export function door(context: SimulatorContext, service: Service): MiddlewareHandler<Env> {
  return async (c, next) => {
    const token = bearerToken(c.req.raw);
    if (token === undefined) return missingCredential(service.name);
    const bearer = bearerOf(context, token);
    if (!bearer) return apiError(401, INVALID_CREDENTIAL);
    if (!service.isEnabled(bearer.account)) return serviceDisabled(bearer.account, service);
    if (!bearer.scopes.some((scope) => service.scopes.includes(scope)))
      return insufficientScope(service.name);
    c.set('account', bearer.account);
    return next();
  };
}

/** An API that was never switched on in the project, or was switched off again. */
function serviceDisabled({ projectNumber }: ServiceAccount, { name, title }: Service): Response {
  const activationUrl = `https://console.developers.google.com/apis/api/${name}/overview?project=${projectNumber}`;
  const message =
    `${title} has not been used in project ${projectNumber} before or it is disabled. Enable it by visiting ` +
    `${activationUrl} then retry. If you enabled this API recently, wait a few minutes for the action to ` +
    'propagate to our systems and retry.';
  const metadata = {
    consumer: `projects/${projectNumber}`,
    containerInfo: projectNumber,
    activationUrl,
    serviceTitle: title,
  };
  return apiError(403, message, [
    errorInfo('SERVICE_DISABLED', name, metadata),
    { '@type': 'type.googleapis.com/google.rpc.LocalizedMessage', locale: 'en-US', message },
    {
      '@type': 'type.googleapis.com/google.rpc.Help',
      links: [{ description: 'Google developers console API activation', url: activationUrl }],
    },
  ]);
}

/** A property id is a number; a measurement id (`G-…`) is not one. */
export function checkPropertyId(id: string): Response | undefined {
  if (/^\d+$/.test(id)) return undefined;
  const page = 'https://developers.google.com/analytics/devguides/reporting/data/v1/property-id';
  const advice = `A numeric Property ID is required. To learn more about Property ID, see ${page}.`;
  return apiError(400, `Invalid property ID: ${id}. ${advice}`);
}
