import { z } from 'zod';

/**
 * The requests of the Data API as its discovery document has them (v1beta 20260909). Not simulated, and
 * therefore refused like a field that does not exist: cohorts, comparisons, expressions and pivots.
 */
const int64 = z.string().regex(/^-?\d+$/);
const dateText = z.string().regex(/^(\d{4}-\d{2}-\d{2}|\d+daysAgo|yesterday|today)$/);

const numericValue = z.strictObject({ int64Value: int64.optional(), doubleValue: z.number().optional() });
const filter = z.strictObject({
  fieldName: z.string(),
  stringFilter: z
    .strictObject({
      matchType: z
        .enum(['EXACT', 'BEGINS_WITH', 'ENDS_WITH', 'CONTAINS', 'FULL_REGEXP', 'PARTIAL_REGEXP'])
        .default('EXACT'),
      value: z.string(),
      caseSensitive: z.boolean().default(false),
    })
    .refine(({ matchType, value }) => !matchType.endsWith('REGEXP') || isPattern(value), 'a pattern')
    .optional(),
  inListFilter: z
    .strictObject({ values: z.array(z.string()).min(1), caseSensitive: z.boolean().default(false) })
    .optional(),
  numericFilter: z
    .strictObject({
      operation: z.enum([
        'EQUAL',
        'LESS_THAN',
        'LESS_THAN_OR_EQUAL',
        'GREATER_THAN',
        'GREATER_THAN_OR_EQUAL',
      ]),
      value: numericValue,
    })
    .optional(),
  betweenFilter: z.strictObject({ fromValue: numericValue, toValue: numericValue }).optional(),
  emptyFilter: z.strictObject({}).optional(),
});

function isPattern(text: string): boolean {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}

export type Filter = z.infer<typeof filter>;
export interface FilterExpression {
  filter?: Filter | undefined;
  andGroup?: { expressions: FilterExpression[] } | undefined;
  orGroup?: { expressions: FilterExpression[] } | undefined;
  notExpression?: FilterExpression | undefined;
}

const filterExpression: z.ZodType<FilterExpression> = z.lazy(() =>
  z
    .strictObject({
      filter: filter.optional(),
      andGroup: z.strictObject({ expressions: z.array(filterExpression) }).optional(),
      orGroup: z.strictObject({ expressions: z.array(filterExpression) }).optional(),
      notExpression: filterExpression.optional(),
    })
    .refine((expression) => Object.keys(expression).length === 1, 'one kind of expression'),
);

const orderBy = z
  .strictObject({
    desc: z.boolean().default(false),
    metric: z.strictObject({ metricName: z.string() }).optional(),
    dimension: z
      .strictObject({
        dimensionName: z.string(),
        orderType: z.enum(['ALPHANUMERIC', 'CASE_INSENSITIVE_ALPHANUMERIC', 'NUMERIC']).optional(),
      })
      .optional(),
  })
  .refine(
    ({ metric, dimension }) => (metric === undefined) !== (dimension === undefined),
    'one kind of order',
  );

const common = {
  // data/v1/basics and api-schema: nine dimensions, ten metrics.
  dimensions: z
    .array(z.strictObject({ name: z.string() }))
    .max(9)
    .default([]),
  metrics: z
    .array(z.strictObject({ name: z.string() }))
    .max(10)
    .default([]),
  dimensionFilter: filterExpression.optional(),
  metricFilter: filterExpression.optional(),
  orderBys: z.array(orderBy).default([]),
  limit: int64.optional(),
  metricAggregations: z.array(z.enum(['TOTAL', 'MINIMUM', 'MAXIMUM'])).default([]),
  returnPropertyQuota: z.boolean().default(false),
};

export const reportRequest = z.strictObject({
  ...common,
  property: z.string().optional(),
  dateRanges: z
    .array(z.strictObject({ startDate: dateText, endDate: dateText, name: z.string().optional() }))
    .min(1)
    .max(4),
  offset: int64.optional(),
  keepEmptyRows: z.boolean().default(false),
  currencyCode: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .optional(),
});

export const batchRequest = z.strictObject({ requests: z.array(reportRequest).min(1).max(5) });

export const realtimeRequest = z.strictObject({
  ...common,
  minuteRanges: z
    .array(
      z.strictObject({
        startMinutesAgo: z.int().min(0).max(29).optional(),
        endMinutesAgo: z.int().min(0).max(29).optional(),
        name: z.string().optional(),
      }),
    )
    .max(2)
    .default([]),
});

export type ReportRequest = z.infer<typeof reportRequest>;
export type RealtimeRequest = z.infer<typeof realtimeRequest>;
