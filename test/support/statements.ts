/** A statement, or a part of one, as it stands in a source text. */
export interface Statement {
  file: string;
  line: number;
  /** Without its comments, on one line; what is put in stands as it is written. */
  text: string;
  /** Whether its file has what it puts in from the one place that says what lives. */
  hasHelpers: boolean;
}

/** A statement that need not ask what lives, known by its file and by a piece that no other statement there has. */
export interface Exemption {
  file: string;
  piece: string;
  reason: string;
}

/** Whose rows live or do not: as a statement names them, behind a comma and at the beginning of what is put in, too. */
const KEPT =
  /(?:\b(?:from|join|update|using)\s+|,\s*|^|`\s*)(?:only\s+)?(?:public\.)?(?:connections|webhooks|events)\b(?!\s*[.()=])/i;
const LIVING = /\bowner_of\s*\(/;
const HELPER = /\b(?:isLiving|isOwned|ownerOf)\b/;
const HELPERS = /from\s+'[^']*\/living\.ts'/;
/** The file that the helpers are made in. */
const HOME = /(^|\/)connections\/living\.ts$/;

/** The statements of a TypeScript file: its outermost `sql` templates, each with all that stands within. */
export function statementsOf(file: string, source: string): Statement[] {
  const hasHelpers = HELPERS.test(source) || HOME.test(file);
  const found: Statement[] = [];
  const tag = /\bsql(?:<[^`]*?>)?`/g;
  for (let match = tag.exec(source); match; match = tag.exec(source)) {
    const start = tag.lastIndex;
    const end = endOfTemplate(source, start);
    const statement = { file, line: lineAt(source, match.index), text: oneLine(source.slice(start, end)) };
    found.push({ ...statement, hasHelpers });
    tag.lastIndex = end + 1;
  }
  return found;
}

/** The statements of the functions and views of a schema. */
export function schemaStatementsOf(file: string, source: string): Statement[] {
  const bodies = [
    ...source.matchAll(/create\s+(?:or\s+replace\s+)?function\b[^$]*?\$(\w*)\$(?<body>[\s\S]*?)\$\1\$/gi),
    ...source.matchAll(/create\s+(?:or\s+replace\s+)?(?:materialized\s+)?view\b(?<body>[^;]*);/gi),
  ];
  return bodies.flatMap((match) => {
    const body = match.groups?.body ?? '';
    let at = match.index + match[0].indexOf(body);
    return body.split(';').map((text) => {
      const line = lineAt(source, at + (text.length - text.trimStart().length));
      at += text.length + 1;
      return { file, line, text: oneLine(text), hasHelpers: false };
    });
  });
}

/** Whether a statement is over what must live, and asks nobody whether it does. */
export function asksNobody({ text, hasHelpers }: Statement): boolean {
  return KEPT.test(text) && !LIVING.test(text) && !(hasHelpers && HELPER.test(text));
}

/** What is wrong, a line each: statements that ask nobody, and exemptions that are for none or for several. */
export function faultsOf(statements: readonly Statement[], exemptions: readonly Exemption[]): string[] {
  const failing = statements.filter(asksNobody);
  const isFor = ({ file, piece }: Exemption, statement: Statement) =>
    statement.file === file && statement.text.includes(oneLine(piece));
  const unasked = failing
    .filter((statement) => !exemptions.some((each) => isFor(each, statement)))
    .map(({ file, line, text }) => `${file}:${line} asks nobody whether it lives: ${excerptOf(text)}`);
  const idle = exemptions.flatMap((each) => {
    const count = failing.filter((statement) => isFor(each, statement)).length;
    const name = `the exemption of '${each.piece}' in ${each.file}`;
    if (count !== 1) return [`${name} is for ${count} statements`];
    return each.reason.trim() === '' ? [`${name} has no reason`] : [];
  });
  return [...unasked, ...idle];
}

/** Where a template that begins at `start` ends: the place of its backtick. */
function endOfTemplate(source: string, start: number): number {
  for (let at = start; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '`') return at;
    else if (source.startsWith('${', at)) at = endOfExpression(source, at + 2);
  }
  throw new Error('a template without an end');
}

/** The same for what is put in: the place of its brace. */
function endOfExpression(source: string, start: number): number {
  for (let at = start, depth = 0; at < source.length; at += 1) {
    const letter = source[at];
    if (letter === '`') at = endOfTemplate(source, at + 1);
    else if (letter === "'" || letter === '"') at = endOfString(source, at);
    else if (letter === '{') depth += 1;
    else if (letter === '}') {
      if (depth === 0) return at;
      depth -= 1;
    }
  }
  throw new Error('an expression without an end');
}

function endOfString(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === source[start]) return at;
  }
  throw new Error('a string without an end');
}

function oneLine(text: string): string {
  return text
    .replaceAll(/--[^\n]*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const lineAt = (source: string, at: number) => source.slice(0, at).split('\n').length;

/** Enough around the table to know a statement by. */
function excerptOf(text: string): string {
  const at = KEPT.exec(text)?.index ?? 0;
  const [from, to] = [Math.max(0, at - 60), at + 100];
  return `${from > 0 ? '… ' : ''}${text.slice(from, to)}${to < text.length ? ' …' : ''}`;
}
