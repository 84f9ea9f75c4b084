/** An event as its row tells it; `data` is JSON as it came. */
export interface EventRow {
  id: string;
  type: string;
  provider: string;
  connection_id: string;
  user_id: string;
  brand_id: string | null;
  account_id: string;
  occurred_at: Date;
  received_at: Date;
  data: string;
}

/** An event in JSON (contract: "System events"). Its data goes in as it came, byte for byte. */
export function eventJson(row: EventRow): string {
  const { data, ...rest } = {
    id: row.id,
    type: row.type,
    provider: row.provider,
    connection_id: row.connection_id,
    user_id: row.user_id,
    brand_id: row.brand_id,
    account_id: row.account_id,
    occurred_at: row.occurred_at.toISOString(),
    received_at: row.received_at.toISOString(),
    data: row.data,
  };
  return `${JSON.stringify(rest).slice(0, -1)},"data":${data}}`;
}
