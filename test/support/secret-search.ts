/** A string short enough to turn up by chance says nothing. */
export const SHORTEST = 12;

/** The forms in which a secret could stand somewhere; base64 in all three ways it can begin inside a longer text. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    return encoded
      .slice(shift === 0 ? 0 : shift + 1)
      .replace(/.{0,2}=*$/, '')
      .slice(0, -2);
  });
  const all = [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
  return [...new Set(all)].filter((form) => form.length >= SHORTEST);
}

/** Finds forms in texts: a window of the shortest length slides over the text, and few are the beginning of one. */
export function searcher(secrets: readonly string[]): (text: string) => string[] {
  const byBeginning = new Map<string, Array<{ form: string; secret: string }>>();
  for (const secret of secrets) {
    for (const form of forms(secret)) {
      const beginning = form.slice(0, SHORTEST);
      byBeginning.set(beginning, [...(byBeginning.get(beginning) ?? []), { form, secret }]);
    }
  }
  return (text) => {
    const found = new Set<string>();
    for (let at = 0; at + SHORTEST <= text.length; at += 1) {
      for (const { form, secret } of byBeginning.get(text.slice(at, at + SHORTEST)) ?? []) {
        if (text.startsWith(form, at)) found.add(secret);
      }
    }
    return [...found];
  };
}
