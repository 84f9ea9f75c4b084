import type { Filter, FilterExpression } from './requests.ts';

/** Whether the values of a row meet an expression (rest/v1beta/FilterExpression). */
export function meets(expression: FilterExpression | undefined, read: (name: string) => string): boolean {
  if (!expression) return true;
  const { filter, andGroup, orGroup, notExpression } = expression;
  if (filter) return passes(filter, read(filter.fieldName));
  if (andGroup) return andGroup.expressions.every((each) => meets(each, read));
  if (orGroup) return orGroup.expressions.some((each) => meets(each, read));
  return !meets(notExpression, read);
}

/** The fields that an expression names. */
export function fieldsOf(expression: FilterExpression | undefined): string[] {
  if (!expression) return [];
  const { filter, andGroup, orGroup, notExpression } = expression;
  const below = [...(andGroup?.expressions ?? []), ...(orGroup?.expressions ?? [])];
  return [
    ...(filter ? [filter.fieldName] : []),
    ...[...below, ...(notExpression ? [notExpression] : [])].flatMap(fieldsOf),
  ];
}

type Number64 = { int64Value?: string | undefined; doubleValue?: number | undefined };
const numberOf = ({ int64Value, doubleValue }: Number64) => doubleValue ?? Number(int64Value ?? 0);

function passes(filter: Filter, value: string): boolean {
  const { stringFilter, inListFilter, numericFilter, betweenFilter } = filter;
  if (stringFilter) {
    const { matchType, caseSensitive } = stringFilter;
    const fold = (text: string) => (caseSensitive ? text : text.toLowerCase());
    const [own, wanted] = [fold(value), fold(stringFilter.value)];
    if (matchType === 'EXACT') return own === wanted;
    if (matchType === 'BEGINS_WITH') return own.startsWith(wanted);
    if (matchType === 'ENDS_WITH') return own.endsWith(wanted);
    if (matchType === 'CONTAINS') return own.includes(wanted);
    const pattern = matchType === 'FULL_REGEXP' ? `^(?:${stringFilter.value})$` : stringFilter.value;
    return new RegExp(pattern, caseSensitive ? '' : 'i').test(value);
  }
  if (inListFilter) {
    const fold = (text: string) => (inListFilter.caseSensitive ? text : text.toLowerCase());
    return inListFilter.values.some((each) => fold(each) === fold(value));
  }
  if (numericFilter) {
    const difference = Number(value) - numberOf(numericFilter.value);
    const { operation } = numericFilter;
    if (difference === 0) return !['LESS_THAN', 'GREATER_THAN'].includes(operation);
    return operation.startsWith(difference < 0 ? 'LESS' : 'GREATER');
  }
  if (betweenFilter) {
    return (
      Number(value) >= numberOf(betweenFilter.fromValue) && Number(value) <= numberOf(betweenFilter.toValue)
    );
  }
  return value === '' || value === '(not set)';
}
