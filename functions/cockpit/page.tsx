import type { Child } from 'hono/jsx';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type * as z from 'zod';
import { PROBLEMS, type ProblemCode } from '../../lib/problem.ts';
import type { catalogBody } from '../connectors/catalog.ts';
import type { listBody } from '../connectors/list.ts';

export type Connector = z.infer<typeof catalogBody>['connectors'][number];
export type Connection = z.infer<typeof listBody>['connections'][number];

export interface Notice {
  tone: 'good' | 'bad';
  text: string;
  /** The connector it is about; its form keeps what was typed, the key excepted. */
  provider?: string;
  typed?: Record<string, string>;
  /** Of the answer that carries it; 200 unless said. */
  status?: ContentfulStatusCode;
  /** Seconds after which the answer says to try again. */
  retryAfter?: number;
}

/** The frame around every page. */
export function Layout({ title, children, refresh }: { title: string; children: Child; refresh?: string }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        {refresh !== undefined && <meta http-equiv="refresh" content={`0; url=${refresh}`} />}
        <title>{title}</title>
        <link rel="stylesheet" href="/cockpit/style.css" />
      </head>
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}

export function SignInPage({ message, brand }: { message?: string | undefined; brand: string | undefined }) {
  return (
    <Layout title="Sign in · Reeve">
      <h1>Sign in</h1>
      {message !== undefined && <p class="notice bad">{message}</p>}
      <form method="post" action={withBrand('/cockpit/session', brand)} class="card">
        <label>
          Session token
          <small>From the Cockpit; the local stack prints one for each of its people.</small>
          <input type="password" name="session" required autocomplete="off" />
        </label>
        <button type="submit">Sign in</button>
      </form>
    </Layout>
  );
}

/** Sends the browser on to the provider: a page of its own, so that our forms may stay on our origin. */
export function LeavingPage({ name, url }: { name: string; url: string }) {
  return (
    <Layout title={`To ${name} · Reeve`} refresh={url}>
      <h1>Taking you to {name}…</h1>
      <p>
        <a href={url}>Continue to {name}</a>
      </p>
    </Layout>
  );
}

export function ConnectorsPage(props: {
  connectors: Connector[];
  mine: Connection[];
  team: Connection[];
  brand: string | undefined;
  notice: Notice | undefined;
}) {
  const { connectors, mine, team, brand, notice } = props;
  const categories = [...new Set(connectors.map((connector) => connector.category))];
  return (
    <Layout title="Connectors · Reeve">
      <header>
        <h1>Connectors</h1>
        <div class="who">
          <span class="quiet">{brand === undefined ? 'Your own accounts' : `Brand ${brand}`}</span>
          <form method="post" action="/cockpit/sign-out">
            <button type="submit" class="plain">
              Sign out
            </button>
          </form>
        </div>
      </header>
      <p class="quiet">
        What your agents may work with. Each connection is yours alone; your team sees that it exists and how
        it fares.
      </p>
      {notice && (
        <p class={`notice ${notice.tone}`} role="status">
          {notice.text}
        </p>
      )}
      <div class="catalogue">
        {categories.map((category) => (
          <section>
            <h2>{category}</h2>
            {connectors
              .filter((connector) => connector.category === category)
              .map((connector) => (
                <Card
                  connector={connector}
                  connection={mine.find((connection) => connection.provider === connector.provider)}
                  brand={brand}
                  notice={notice?.provider === connector.provider ? notice : undefined}
                />
              ))}
          </section>
        ))}
      </div>
      <Team team={team} connectors={connectors} />
    </Layout>
  );
}

function Card(props: {
  connector: Connector;
  connection: Connection | undefined;
  brand: string | undefined;
  notice: Notice | undefined;
}) {
  const { connector, connection, brand, notice } = props;
  const live = connection !== undefined && connection.status !== 'disconnected';
  return (
    <article class="card" id={connector.provider}>
      <header>
        <h3>{connector.name}</h3>
        <span class={`state ${connection?.status ?? 'none'}`}>{stateText(connection)}</span>
      </header>
      {live && <p>{connection.account.name ?? connection.account.id}</p>}
      {!live && <p class="quiet">{[...connector.tools, ...connector.capabilities].join(', ')}</p>}
      {live && connection.missing_scopes.length > 0 && (
        <p class="quiet">Missing permissions: {connection.missing_scopes.join(', ')}</p>
      )}
      {live && connection.reauthorize_by !== null && (
        <p class="quiet">Connect again by {connection.reauthorize_by.slice(0, 10)} at the latest.</p>
      )}
      {live && connection.last_error && <p class="quiet">{connection.last_error.message}</p>}
      {live && (
        <div class="actions">
          <form method="post" action={withBrand(`/cockpit/test/${connector.provider}`, brand)}>
            <button type="submit" class="plain" aria-label={`Test ${connector.name}`}>
              Test
            </button>
          </form>
          <form method="post" action={withBrand(`/cockpit/disconnect/${connector.provider}`, brand)}>
            <button type="submit" class="plain" aria-label={`Disconnect ${connector.name}`}>
              Disconnect
            </button>
          </form>
        </div>
      )}
      {!connector.configured ? (
        <p class="quiet">Not set up here yet.</p>
      ) : live && connection.status === 'connected' ? (
        <details open={notice !== undefined && notice.tone === 'bad'}>
          <summary>Connect again</summary>
          <ConnectForm connector={connector} brand={brand} notice={notice} live />
        </details>
      ) : (
        <ConnectForm connector={connector} brand={brand} notice={notice} live={live} />
      )}
    </article>
  );
}

function ConnectForm(props: {
  connector: Connector;
  brand: string | undefined;
  notice: Notice | undefined;
  live: boolean;
}) {
  const { connector, brand, notice, live } = props;
  return (
    <form method="post" action={withBrand(`/cockpit/connect/${connector.provider}`, brand)}>
      {connector.fields.map((field) => (
        <label>
          {field.label}
          <input
            type={field.secret ? 'password' : 'text'}
            name={field.name}
            required={field.required}
            autocomplete="off"
            spellcheck={false}
            value={field.secret ? '' : (notice?.typed?.[field.name] ?? '')}
          />
          <small>{field.help}</small>
        </label>
      ))}
      {live && (
        <label>
          <input type="checkbox" name="replace" value="true" />
          Replace it, if this is another account
        </label>
      )}
      <button type="submit" aria-label={`Connect ${connector.name}`}>
        Connect
      </button>
    </form>
  );
}

function Team({ team, connectors }: { team: Connection[]; connectors: Connector[] }) {
  if (team.length === 0) return null;
  const names = new Map(connectors.map((connector) => [connector.provider, connector.name]));
  return (
    <section>
      <h2>Your team</h2>
      <div class="scrolls">
        <table>
          <thead>
            <tr>
              <th>Connector</th>
              <th>Account</th>
              <th>Connected by</th>
              <th>State</th>
            </tr>
          </thead>
          <tbody>
            {team.map((connection) => (
              <tr>
                <td>{names.get(connection.provider) ?? connection.provider}</td>
                <td>{connection.account.name ?? connection.account.id}</td>
                <td>{connection.user?.name}</td>
                <td>
                  <span class={`state ${connection.status}`}>{stateText(connection)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** What a callback brought back in the page's query, in words. Codes that are not ours say nothing. */
export function noticeOf(
  query: { provider?: string; status?: string; error?: string },
  connectors: Connector[],
): Notice | undefined {
  const connector = connectors.find(({ provider }) => provider === query.provider);
  if (!connector) return undefined;
  const { name, provider } = connector;
  switch (query.status) {
    case 'connected':
      return { tone: 'good', provider, text: `${name} is connected.` };
    case 'tested':
      return { tone: 'good', provider, text: `${name} was asked; its state below is what it says.` };
    case 'disconnected':
      return {
        tone: 'good',
        provider,
        text: [`${name} is disconnected.`, connector.disconnect_help ?? ''].join(' '),
      };
    case 'error':
      return { tone: 'bad', provider, text: `${name} was not connected. ${errorText(query.error)}` };
    default:
      return undefined;
  }
}

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

function errorText(code: string | undefined): string {
  switch (code) {
    case 'access_denied':
      return 'You did not approve the access. You can try again whenever you like.';
    case 'account_mismatch':
      return 'You signed in to another account than the one that is connected. Sign in to that one, or choose to replace it.';
    case 'shop_mismatch':
      return 'You approved another shop than the one you had entered. Enter that shop’s own address: it stands in the shop’s admin under Settings, Domains.';
    case 'insufficient_scope':
      return 'A permission that is needed was not granted. Connect again and leave all of them on.';
    default:
      return code !== undefined && isProblemCode(code)
        ? `${PROBLEMS[code].title}. Please try again.`
        : 'Please try again.';
  }
}

function stateText(connection: Connection | undefined): string {
  switch (connection?.status) {
    case 'connected':
      return '● Connected';
    case 'reauthorization_required':
      return '▲ Connect again';
    case 'disconnected':
      return '○ Disconnected';
    case undefined:
      return '○ Not connected';
  }
}

export function withBrand(path: string, brand: string | undefined): string {
  return brand === undefined ? path : `${path}?brand=${encodeURIComponent(brand)}`;
}
