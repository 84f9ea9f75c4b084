import { Hono } from 'hono';
import type { AppEnv } from '../lib/http/app.ts';
import { ANYWHERE, type Contract } from '../lib/http/endpoint.ts';
import { openApiDocument } from '../lib/http/openapi.ts';
import { page } from '../lib/http/page.ts';
import { KEPT_FOR_A_WHILE } from '../lib/http/security-headers.ts';
import { PROBLEMS } from '../lib/problem.ts';

/** GET /docs: the OpenAPI document as a page, made once an isolate. */
export function docs(contracts: readonly Contract[]) {
  let text: string | undefined;
  return new Hono<AppEnv>().get('/docs', async (c) => {
    text ??= String(await page(<DocsPage contracts={contracts} />));
    return c.html(text, { headers: { 'Cache-Control': KEPT_FOR_A_WHILE } });
  });
}

function DocsPage({ contracts }: { contracts: readonly Contract[] }) {
  const { info } = openApiDocument(contracts, '');
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{info.title}</title>
        <link rel="stylesheet" href="/cockpit/style.css" />
      </head>
      <body>
        <main>
          <h1>{info.title}</h1>
          <p>
            {info.description} Routes under /api need <code>Authorization: Bearer SESSION</code> unless they
            say otherwise. The same for machines: <a href="/openapi.json">/openapi.json</a>.
          </p>
          {contracts.map((contract) => (
            <Operation contract={contract} />
          ))}
        </main>
      </body>
    </html>
  );
}

function Operation({ contract }: { contract: Contract }) {
  const codes = [...new Set([...contract.problems, ...ANYWHERE])];
  const fields = [
    ...names(contract.params, 'in the path'),
    ...names(contract.query, 'in the query'),
    ...names(contract.body, 'in the body'),
    ...(contract.access === 'session'
      ? [{ name: 'X-Brand-Id', place: 'header', description: 'For a brand’s scope.' }]
      : []),
  ];
  return (
    <article class="card">
      <h3>
        <code>
          {contract.method.toUpperCase()} {contract.path.replace(/:(\w+)/g, '{$1}')}
        </code>
      </h3>
      <p>
        {contract.summary}.{contract.access === 'public' && ' Needs no session.'}
      </p>
      {fields.length > 0 && (
        <ul>
          {fields.map(({ name, place, description }) => (
            <li>
              <code>{name}</code> {place}
              {description !== undefined && `: ${description}`}
            </li>
          ))}
        </ul>
      )}
      <ul>
        {Object.entries(contract.responses).map(([status, { description }]) => (
          <li>
            <code>{status}</code> {description}
          </li>
        ))}
      </ul>
      <p class="quiet">Problems: {codes.map((code) => `${PROBLEMS[code].status} ${code}`).join(', ')}</p>
    </article>
  );
}

function names(shape: Contract['body'], place: string) {
  return Object.entries(shape?.shape ?? {}).map(([name, schema]) => ({
    name,
    place,
    description: schema.description,
  }));
}
