import { apiError, type ErrorCode, INVALID_CREDENTIAL, randomLetters } from './google.ts';

/** What a status says above the GoogleAdsFailure. */
const MESSAGES = {
  400: 'Request contains an invalid argument.',
  401: INVALID_CREDENTIAL,
  403: 'The caller does not have permission',
  404: 'Requested entity was not found.',
  429: 'Resource has been exhausted (e.g. check quota).',
};

/** Of each error its status, its kind and, unless the refusal has its own, its text (reference/rpc/…Error). */
const ERRORS = {
  OAUTH_TOKEN_INVALID: [401, 'authenticationError', 'The OAuth token in the header is not valid.'],
  OAUTH_TOKEN_EXPIRED: [401, 'authenticationError', 'The OAuth token in the header has expired.'],
  OAUTH_TOKEN_REVOKED: [401, 'authenticationError', 'The OAuth token in the header was revoked.'],
  NOT_ADS_USER: [401, 'authenticationError', 'The Google account is not associated with any Ads account.'],
  CUSTOMER_NOT_FOUND: [401, 'authenticationError', 'There is no customer with this id.'],
  DEVELOPER_TOKEN_INVALID: [401, 'authenticationError', 'The developer token is not valid.'],
  DEVELOPER_TOKEN_PARAMETER_MISSING: [400, 'requestError', 'The developer-token header is required.'],
  DEVELOPER_TOKEN_NOT_APPROVED: [
    403,
    'authorizationError',
    'The developer token is only approved for use with test accounts.',
  ],
  DEVELOPER_TOKEN_PROHIBITED: [
    403,
    'authorizationError',
    'The developer token is not allowed with the project of the request.',
  ],
  CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION: [
    403,
    'authorizationError',
    'The Google Cloud project is only approved for use with test accounts.',
  ],
  ORGANIZATION_NOT_APPROVED: [
    401,
    'authenticationError',
    'The Cloud organization associated with the project is not approved for production access.',
  ],
  TWO_STEP_VERIFICATION_NOT_ENROLLED: [
    401,
    'authenticationError',
    "An account administrator changed this account's authentication settings.",
  ],
  PROJECT_DISABLED: [
    403,
    'authorizationError',
    'The Google Cloud project does not have permission to access the API.',
  ],
  USER_PERMISSION_DENIED: [
    403,
    'authorizationError',
    "User doesn't have permission to access customer. For a client customer, the manager's customer id must " +
      'be set in the login-customer-id header.',
  ],
  CUSTOMER_NOT_ENABLED: [
    403,
    'authorizationError',
    'The customer account is not yet enabled or has been deactivated.',
  ],
  INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION: [
    403,
    'authorizationError',
    'The login customer does not manage the serving customer.',
  ],
  INVALID_LOGIN_CUSTOMER_ID: [400, 'headerError', 'The login-customer-id header is not a customer id.'],
  INVALID_CUSTOMER_ID: [400, 'requestError', 'The customer id in the path is not valid.'],
  REQUIRED_FIELD_MISSING: [400, 'requestError', 'A required field is missing: query'],
  INVALID_PAGE_TOKEN: [400, 'requestError', 'The page token is not valid.'],
  PAGE_SIZE_NOT_SUPPORTED: [
    400,
    'requestError',
    "Setting the page size is not supported. Search Responses will have fixed page size of '10000' rows.",
  ],
  RESOURCE_EXHAUSTED: [429, 'quotaError', 'Too many requests.'],
} as const satisfies Record<string, readonly [ErrorCode, string, string]>;

export type AdsError = keyof typeof ERRORS;

interface Detail {
  errorCode: Record<string, string>;
  message: string;
  details?: object;
}

/** A refusal of the Ads API (best-practices/understand-api-errors); it names the version that was called. */
export function adsError(version: string, error: AdsError, details?: object): Response {
  const [code, kind, message] = ERRORS[error];
  return failure(version, code, { errorCode: { [kind]: error }, message, ...(details && { details }) });
}

export function queryError(version: string, error: string, message: string): Response {
  return failure(version, 400, { errorCode: { queryError: error }, message });
}

function failure(version: string, code: ErrorCode, error: Detail): Response {
  const type = `type.googleapis.com/google.ads.googleads.${version}.errors.GoogleAdsFailure`;
  return apiError(code, MESSAGES[code], [{ '@type': type, errors: [error], requestId: randomLetters(22) }]);
}
