import { html } from 'hono/html';

/** What the person on the consent screen decided. */
export interface Consent {
  decision: 'approve' | 'deny';
  account: string;
  scopes: string[];
}

/**
 * The page on which a person approves; it posts `decision`, `account` and `scopes` to its own URL, so that
 * it works behind any gateway address.
 */
export function consentPage(options: {
  provider: string;
  accounts: string[];
  scopes: string[];
  app: string;
}) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>Authorize ${options.app} · ${options.provider} (simulated)</title>
        <style>
          body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; }
          label { display: block; margin: 0.5rem 0; }
          button { font: inherit; padding: 0.5rem 1.25rem; margin: 1rem 0.5rem 0 0; }
        </style>
      </head>
      <body>
        <h1>${options.provider} (simulated)</h1>
        <p><strong>${options.app}</strong> asks for access to your account.</p>
        <form method="post">
          <label>
            Continue as
            <select name="account">
              ${options.accounts.map((account) => html`<option>${account}</option>`)}
            </select>
          </label>
          ${options.scopes.map(
            (scope) =>
              html`<label><input type="checkbox" name="scopes" value="${scope}" checked /> ${scope}</label>`,
          )}
          <button name="decision" value="approve">Approve</button>
          <button name="decision" value="deny">Cancel</button>
        </form>
      </body>
    </html>`;
}

/** Reads the form of `consentPage`. */
export async function readConsent(request: Request): Promise<Consent> {
  const form = new URLSearchParams(await request.text());
  return {
    decision: form.get('decision') === 'approve' ? 'approve' : 'deny',
    account: form.get('account') ?? '',
    scopes: form.getAll('scopes'),
  };
}
