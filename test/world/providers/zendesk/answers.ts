import type { DeskUser } from './desk.ts';

/** A refused key: `error` is a string here. */
export function notAuthenticated(): Response {
  return Response.json(
    { error: "Couldn't authenticate you" },
    { status: 401, headers: { 'www-authenticate': 'Basic realm="Web Password"' } },
  );
}

/** A missing permission or scope: `error` is an object here. */
export function forbidden(): Response {
  const message = 'You do not have access to this page. Please contact the account owner for further help.';
  return Response.json({ error: { title: 'Forbidden', message } }, { status: 403 });
}

/** No such help desk: again an object. */
export function noHelpDesk(host: string): Response {
  const message =
    'There is no help desk configured at this address. This means that the address is available and that ' +
    'you can claim it at http://www.zendesk.com/signup';
  return Response.json({ error: { title: `No help desk at ${host}`, message } }, { status: 404 });
}

export function notFound(): Response {
  return Response.json({ error: 'RecordNotFound', description: 'Not found' }, { status: 404 });
}

/** Plain text, not JSON (rate-limits). */
export function tooManyRequests(seconds: number): Response {
  return new Response('Number of allowed API requests per minute exceeded', {
    status: 429,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'retry-after': String(seconds) },
  });
}

/** Plain text too (introduction/requests: "may get an unsupported media type error"). */
export function unsupportedMedia(what: string): Response {
  return new Response(`Unsupported media type: ${what}`, { status: 415 });
}

export function badParameter(name: string): Response {
  const description = `The parameter ${name} is not valid here`;
  return Response.json({ error: 'InvalidParameter', description }, { status: 400 });
}

/** developer.zendesk.com/api-reference/ticketing/users/users. */
export function userObject(user: DeskUser, desk: string) {
  return {
    id: user.id,
    url: `https://${desk}.zendesk.com/api/v2/users/${user.id}.json`,
    name: user.name,
    email: user.email,
    role: user.role,
    active: true,
    verified: true,
    suspended: user.suspended,
    time_zone: 'Eastern Time (US & Canada)',
    iana_time_zone: 'America/New_York',
    locale: 'en-US',
    organization_id: null,
    phone: null,
    tags: [],
    created_at: '2024-02-01T09:00:00Z',
    updated_at: '2026-06-01T09:00:00Z',
  };
}

/** What `users/me` shows to somebody who is nobody. */
export const ANONYMOUS = {
  id: null,
  url: null,
  name: 'Anonymous user',
  email: 'invalid@example.com',
  role: 'end-user',
  active: null,
  verified: false,
  suspended: false,
  time_zone: 'Eastern Time (US & Canada)',
  iana_time_zone: 'America/New_York',
  locale: 'en-US',
  organization_id: null,
  phone: null,
  tags: [],
  created_at: null,
  updated_at: null,
};

export function brandObject(desk: string, id: number, name: string) {
  const url = `https://${desk}.zendesk.com`;
  return {
    id,
    url: `${url}/api/v2/brands/${id}.json`,
    name,
    brand_url: url,
    subdomain: desk,
    host_mapping: null,
    has_help_center: true,
    help_center_state: 'enabled',
    active: true,
    default: true,
    is_deleted: false,
    logo: null,
    ticket_form_ids: [],
    signature_template: '{{agent.signature}}',
    created_at: '2024-02-01T09:00:00Z',
    updated_at: '2024-02-01T09:00:00Z',
  };
}

const SUBJECTS = [
  { subject: 'Cannot sign in', status: 'open', priority: 'high', updated_at: '2026-11-20T10:15:00Z' },
  { subject: 'Invoice is wrong', status: 'pending', priority: 'normal', updated_at: '2026-11-21T11:30:00Z' },
  { subject: 'Thank you', status: 'solved', priority: null, updated_at: '2026-11-19T08:00:00Z' },
];

export function ticketObjects(
  desk: string,
  brandId: number,
  people: { requester: number; assignee: number },
) {
  return SUBJECTS.map((ticket, index) => ({
    id: index + 1,
    url: `https://${desk}.zendesk.com/api/v2/tickets/${index + 1}.json`,
    ...ticket,
    external_id: null,
    type: 'question',
    description: ticket.subject,
    requester_id: people.requester,
    submitter_id: people.requester,
    assignee_id: people.assignee,
    group_id: null,
    brand_id: brandId,
    tags: [],
    satisfaction_rating: { score: 'unoffered' },
    created_at: '2026-11-18T08:00:00Z',
  }));
}
