/** Begins the line by which the local Worker tells of an operation on KV. */
export const KV_LOG = 'world: kv ';

/** Where the local Worker is told that KV is down (`?down`) or up. */
export const KV_SWITCH = '/cdn-cgi/handler/kv';

/** The same for the queues, as those who send to them see it. */
export const QUEUE_SWITCH = '/cdn-cgi/handler/queues';
