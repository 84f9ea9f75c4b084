/** A call that KMS refuses, by AWS's own name for it. */
export class Refusal extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message?: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}
