import type { GenericSchema } from 'valibot';
import { type Issue, ValidationError } from '../errors.ts';
import { validate } from '../http/schemas.ts';

/**
 * What the service has to say against an input.
 *
 * @throws Error when it has nothing to say
 */
export function issuesOf(schema: GenericSchema, input: unknown, field: string): Issue[] {
  try {
    validate(schema, input, field);
  } catch (error) {
    if (error instanceof ValidationError) return error.details.issues as Issue[];
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} is of its form`);
}
