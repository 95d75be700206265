import { createError } from '@middy/util';
import * as z from 'zod';

export const keySchema = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u);

export const tenantSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);

/** @throws an HTTP error with the status 400 */
export function validated<Schema extends z.ZodType>(schema: Schema, input: unknown): z.infer<Schema> {
  const result = schema.safeParse(input);
  if (!result.success) throw createError(400, 'Invalid request', { cause: { data: result.error.issues } });
  return result.data;
}
