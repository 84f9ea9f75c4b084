import type { KeyRecord, ProjectRecord } from './keys.ts';

/** A refusal as PostHog's exception handler writes it: type, code, detail, attr. */
export class PostHogRefusal extends Error {
  readonly status: 400 | 401 | 403 | 404 | 405 | 415 | 429;
  readonly headers: Record<string, string>;
  readonly body: { type: string; code: string; detail: string; attr: string | null };

  constructor(
    status: PostHogRefusal['status'],
    type: string,
    code: string,
    detail: string,
    { attr = null, headers = {} }: { attr?: string | null; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.status = status;
    this.headers = headers;
    this.body = { type, code, detail, attr };
  }

  response(): Response {
    return Response.json(this.body, { status: this.status, headers: this.headers });
  }
}

export const denied = (detail: string) =>
  new PostHogRefusal(403, 'authentication_error', 'permission_denied', detail);

export const invalid = (code: string, detail: string, attr: string | null = null) =>
  new PostHogRefusal(400, 'validation_error', code, detail, { attr });

export const noSuchProject = () =>
  new PostHogRefusal(404, 'invalid_request', 'not_found', 'No Project matches the given query.');

export const notFound = () => new PostHogRefusal(404, 'invalid_request', 'not_found', 'Endpoint not found.');

export const throttled = (seconds: number) =>
  new PostHogRefusal(
    429,
    'throttled_error',
    'throttled',
    `Request was throttled. Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.`,
    { headers: { 'retry-after': String(seconds) } },
  );

const ORGANIZATION = '0192f3a0-0000-0000-0000-000000000000';

/** posthog/api/project.py, ProjectBackwardCompatSerializer; it shows the project's own tokens. */
export function projectObject({ id, uuid, name, token }: ProjectRecord) {
  return {
    id,
    organization: ORGANIZATION,
    name,
    product_description: null,
    created_at: '2024-02-01T09:00:00.000000Z',
    effective_membership_level: 1,
    has_group_types: false,
    updated_at: '2026-06-01T09:00:00.000000Z',
    uuid,
    api_token: token,
    app_urls: ['https://acme.example'],
    anonymize_ips: false,
    ingested_event: true,
    is_demo: false,
    timezone: 'UTC',
    access_control: false,
    is_pending_deletion: false,
    project_id: id,
  };
}

/** posthog/api/personal_api_key.py: the key about itself. */
export function keyObject(record: KeyRecord) {
  return {
    id: record.id,
    label: 'Reeve',
    value: null,
    mask_value: record.mask,
    created_at: '2026-06-01T09:00:00.000000Z',
    last_used_at: '2026-06-01T09:00:00.000000Z',
    last_rolled_at: null,
    user_id: 178,
    scopes: record.scopes,
    scoped_teams: record.scopedTeams,
    scoped_organizations: null,
  };
}

export function userObject(project: ProjectRecord) {
  return {
    id: 178,
    uuid: '0192f3a0-0000-0000-0000-0000000000b2',
    distinct_id: 'ada',
    first_name: 'Ada',
    email: 'ada@acme.example',
    team: { id: project.id, uuid: project.uuid, name: project.name },
    organization: { id: ORGANIZATION, name: 'Acme' },
    organizations: [
      {
        id: ORGANIZATION,
        name: 'Acme',
        slug: 'acme',
        logo_media_id: null,
        membership_level: 1,
        members_can_use_personal_api_keys: true,
      },
    ],
  };
}
