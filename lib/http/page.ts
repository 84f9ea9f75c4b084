import { html } from 'hono/html';
import type { Child } from 'hono/jsx';

/** A whole page as it is sent: with the doctype, without which browsers fall back to the rules of the nineties. */
export function page(content: Child) {
  return html`<!doctype html>${content}`;
}
