import { PROBLEMS, type Problem } from '../problem.ts';

/** A problem for a person with a browser. */
export function ProblemPage({
  problem,
  requestId,
  back,
}: {
  problem: Problem;
  requestId: string;
  back: string;
}) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="stylesheet" href="/cockpit/style.css" />
        <title>{PROBLEMS[problem.code].title}</title>
      </head>
      <body>
        <main>
          <h1>{PROBLEMS[problem.code].title}</h1>
          <p>{problem.detail}</p>
          <p>
            <a href={back}>Back to your connectors</a>
          </p>
          <p>
            <small>
              {problem.code} · request {requestId}
            </small>
          </p>
        </main>
      </body>
    </html>
  );
}
