import type { Store } from '../../store.ts';
import { randomLetters } from './records.ts';

interface Details {
  code: number;
  message: string;
  subcode?: number;
  status?: number;
  type?: 'OAuthException' | 'GraphMethodException';
  transient?: boolean;
  /** The word in WWW-Authenticate. Seen are `invalid_code`, `invalid_token`, `invalid_request`. */
  challenge?: string;
  headers?: Record<string, string>;
}

/** A refusal as developers.facebook.com/docs/graph-api/guides/error-handling shapes it. */
export class GraphError extends Error {
  readonly details: Details;

  constructor(details: Details) {
    super(details.message);
    this.details = details;
  }

  response(): Response {
    const { code, message, subcode, status = 400, type = 'OAuthException', transient } = this.details;
    const challenge = this.details.challenge ?? (code === 190 ? 'invalid_token' : 'invalid_request');
    const error = {
      message,
      type,
      ...(transient !== undefined && { is_transient: transient }),
      code,
      ...(subcode !== undefined && { error_subcode: subcode }),
      fbtrace_id: `A${randomLetters(22)}`,
    };
    return Response.json(
      { error },
      {
        status,
        headers: {
          ...this.details.headers,
          'cache-control': 'no-store',
          'www-authenticate': `OAuth "Facebook Platform" "${challenge}" "${message.replace(/[^ !#-~]/g, '?')}"`,
        },
      },
    );
  }
}

/** Stricter than the real service, which ignores what it does not know: a misspelt name should be seen. */
export function invalidParameter(name: string): GraphError {
  return new GraphError({ code: 100, message: `(#100) Invalid parameter: ${name}` });
}

/** What nobody may see looks like what does not exist. */
export function unknownObject(id: string, method = 'get'): GraphError {
  return new GraphError({
    code: 100,
    subcode: 33,
    type: 'GraphMethodException',
    message: `Unsupported ${method} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation.`,
  });
}

/** Seen at every call, by whatever token, of an app that its developer has deleted and of one that Meta has blocked. */
const APP_REFUSALS = {
  deleted: { code: 190, message: 'Error validating application. Application has been deleted.' },
  blocked: { code: 200, message: 'API access blocked.' },
} as const;

/** What `settings.app` says has become of the app. */
export function appRefusal(store: Store): GraphError | undefined {
  const state = store.get<keyof typeof APP_REFUSALS>('settings.app');
  return state && new GraphError(APP_REFUSALS[state]);
}
