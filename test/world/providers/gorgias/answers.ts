/** An error: "read the error attribute" (reference/errors-1), which holds `msg` and for bad input `data`. */
export function refusal(status: number, msg: string, data?: Record<string, string[]>): Response {
  return Response.json({ error: { msg, ...(data && { data }) } }, { status });
}

/** What a name without a helpdesk answers is documented nowhere: a page, as a web server would. */
export function noHelpdesk(): Response {
  return new Response('<!doctype html><title>Not found</title>', {
    status: 404,
    headers: { 'content-type': 'text/html; charset=utf-8' },
  });
}

/** developers.gorgias.com/reference/account and get-account. */
export function accountObject(domain: string, active: boolean) {
  return {
    created_datetime: '2017-11-23T15:59:41.966927',
    deactivated_datetime: active ? null : '2026-10-01T00:00:00.000000',
    domain,
    settings: [
      {
        id: 987,
        type: 'business-hours',
        data: {
          timezone: 'UTC',
          business_hours: { days: '1,2,3,4,5', from_time: '09:00', to_time: '22:00' },
        },
      },
    ],
    status: { status: active ? 'active' : 'deactivated' },
  };
}

export function ticketObjects(domain: string) {
  return ['Where is my order?', 'Wrong size', 'Thank you'].map((subject, index) => ({
    id: 1001 + index,
    uri: `/api/tickets/${1001 + index}/`,
    channel: 'email',
    status: index === 0 ? 'open' : 'closed',
    subject,
    assignee_user: null,
    assignee_team: null,
    customer: {
      id: 501 + index,
      email: `customer${index + 1}@${domain}.example`,
      name: `Customer ${index + 1}`,
    },
    created_datetime: `2026-11-2${index}T08:00:00.000000+00:00`,
    updated_datetime: `2026-11-2${index + 1}T10:00:00.000000+00:00`,
    closed_datetime: index === 0 ? null : `2026-11-2${index + 1}T10:00:00.000000+00:00`,
    satisfaction_survey: null,
    tags: [],
    trashed_datetime: null,
  }));
}

export function surveyObjects() {
  return [{ id: 71, ticket_id: 1003, customer_id: 503, score: 5, body_text: 'Great', scored_datetime: null }];
}

export function userObjects(domain: string) {
  return [
    {
      id: 3,
      email: `reader@${domain}.example`,
      name: 'Reading Agent',
      role: { name: 'observer-agent' },
      active: true,
      created_datetime: '2026-06-01T09:00:00.000000+00:00',
    },
  ];
}
