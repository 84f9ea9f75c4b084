import { html } from 'hono/html';

/** Any of Shopify's pages that says one thing. */
export async function page(title: string, text: string, status: number): Promise<Response> {
  const body = await html`<!doctype html>
    <html lang="en">
      <head><title>${title}</title></head>
      <body><div>${text}</div></body>
    </html>`;
  return new Response(body, { status, headers: { 'content-type': 'text/html; charset=utf-8' } });
}
