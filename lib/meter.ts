/** Round trips that one request or job has made, by what was asked. They stand in its log line. */
export interface Meter {
  postgres: number;
  kms: number;
  kv: number;
  provider: number;
}

export function newMeter(): Meter {
  return { postgres: 0, kms: 0, kv: 0, provider: 0 };
}
