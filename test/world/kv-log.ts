/** Begins the line by which the local Worker tells of an operation on KV. */
export const KV_LOG = 'world: kv ';
