type Fetch = (request: Request, env: Env, context: ExecutionContext) => Response | Promise<Response>;

/**
 * Has what may change something run to its end, whether or not somebody still listens: the answer waits for the work,
 * and a caller who goes does not end it. The platform ends what nobody waits for, and gives the rest 30 seconds
 * (https://developers.cloudflare.com/workers/runtime-apis/context/#waituntil): a token that was spent, or had, in
 * between would be lost.
 */
export function finishing(answer: Fetch): Fetch {
  return (request, env, context) => {
    const response = answer(request, env, context);
    if (mayChange(request) && response instanceof Promise) context.waitUntil(response.catch(() => undefined));
    return response;
  };
}

/** By RFC 9110 section 9.2.1 what is no safe method; and the callback, which a browser follows with GET. */
function mayChange({ method, url }: Request): boolean {
  return !['GET', 'HEAD', 'OPTIONS'].includes(method) || new URL(url).pathname.endsWith('/callback');
}
