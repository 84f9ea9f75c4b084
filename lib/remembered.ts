/** What an isolate remembers by its key, `most` at most: what was set longest ago is forgotten first. */
export class Remembered<Value> {
  readonly #known = new Map<string, Value>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Value | undefined {
    return this.#known.get(key);
  }

  set(key: string, value: Value): void {
    this.#known.delete(key);
    this.#known.set(key, value);
    const oldest = this.#known.keys().next();
    if (this.#known.size > this.#most && !oldest.done) this.#known.delete(oldest.value);
  }

  delete(key: string): void {
    this.#known.delete(key);
  }
}
