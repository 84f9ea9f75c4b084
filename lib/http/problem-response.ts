import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { sessionStatement, unauthenticated } from '../access.ts';
import { connectorsPage } from '../config.ts';
import { PROBLEMS, Problem } from '../problem.ts';
import type { AppEnv } from './app.ts';
import { page } from './page.ts';
import { ProblemPage } from './problem-page.tsx';
import { clientAddress, spend } from './rate-limit.ts';

/** Answers a failure: a page for a browser, problem+json (RFC 9457) for everybody else. */
export async function respondToError(error: unknown, c: Context<AppEnv>): Promise<Response> {
  const problem = await decide(error, c);
  c.set('logged', {
    ...c.get('logged'),
    code: problem.code,
    ...(problem.reason !== undefined && { reason: problem.reason }),
  });
  if (problem.retryAfter !== undefined) c.header('Retry-After', String(problem.retryAfter));
  if (problem.status === 401) c.header('WWW-Authenticate', 'Bearer');
  c.status(problem.status);
  if (prefersHtml(c)) {
    const config = c.get('services')?.config;
    const back = config ? connectorsPage(config) : '/cockpit';
    return c.html(page(ProblemPage({ problem, requestId: c.get('requestId'), back })));
  }
  return c.body(JSON.stringify(problemBodyOf(problem, c.get('requestId'))), {
    headers: { 'Content-Type': 'application/problem+json' },
  });
}

/** Whether a person's browser asks, where people come by: it names text/html, and no JSON. */
function prefersHtml(c: Context<AppEnv>): boolean {
  const accept = c.req.header('accept') ?? '';
  const forPeople = !c.req.path.startsWith('/api/') || c.req.path.endsWith('/callback');
  return forPeople && accept.includes('text/html') && !accept.includes('json');
}

function problemBodyOf(problem: Problem, requestId: string) {
  return {
    type: `https://reeve.example/problems/${problem.code}`,
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    detail: problem.detail,
    code: problem.code,
    request_id: requestId,
    ...(problem.errors && { errors: problem.errors }),
  };
}

/**
 * Who is not signed in hears that before anything else: a problem found before the first statement gives way to
 * `unauthenticated`, and failed sign-ins are counted by address.
 */
async function decide(error: unknown, c: Context<AppEnv>): Promise<Problem> {
  const problem = error instanceof Problem ? error : (refusedByHono(error) ?? unforeseen(error, c));
  try {
    if (problem.code === 'unauthenticated') {
      if (!c.get('isCounted')) await spend(c, 'UNAUTHENTICATED_LIMIT', clientAddress(c));
    } else if (c.get('caller') && isOfTheRequest(problem) && unasked(c)) {
      const { postgres } = c.get('services');
      const sessions = await postgres.rows(sessionStatement(c.get('caller')));
      if (sessions.length === 0) return await decide(unauthenticated(), c);
    }
    return problem;
  } catch (later) {
    return later instanceof Problem && later.code === 'rate_limited' ? later : problem;
  }
}

/** What is wrong with the request itself, as against what is down or used up. */
function isOfTheRequest(problem: Problem): boolean {
  return (problem.status < 500 && problem.status !== 429) || problem.code === 'provider_not_configured';
}

function unasked(c: Context<AppEnv>): boolean {
  return c.get('services').meter.postgres === 0;
}

/** Hono's own middleware refuses with an HTTPException: a form that another site has sent. */
function refusedByHono(error: unknown): Problem | undefined {
  return error instanceof HTTPException && error.status < 500
    ? new Problem('invalid_request', 'This form was not sent from our own page. Open the page and try again.')
    : undefined;
}

/** An error we did not foresee: its kind goes to the log, its text, which may hold anything, nowhere. */
function unforeseen(error: unknown, c: Context<AppEnv>): Problem {
  const where =
    error instanceof Error
      ? (error.stack
          ?.split('\n')
          .find((line) => /^\s+at /.test(line))
          ?.trim() ?? '')
      : '';
  const kind = error instanceof Error ? error.name : typeof error;
  return new Problem(
    'internal_error',
    `Nothing more is known here; tell us the request id ${c.get('requestId')}.`,
    {
      reason: `${kind} ${where}`,
    },
  );
}
