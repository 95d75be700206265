import type { GenericSchema } from 'valibot';
import { ValidationError } from '../errors.ts';
import { validate } from '../http/schemas.ts';

/**
 * The error with which the service rejects an input.
 *
 * @throws Error when the input is valid
 */
export function rejectionOf(schema: GenericSchema, input: unknown, field: string): ValidationError {
  try {
    validate(schema, input, field);
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} is valid`);
}
