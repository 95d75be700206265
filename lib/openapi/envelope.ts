import type { ServiceError } from '../errors.ts';
import type { Failure } from './failures.ts';
import { object, type Schema, schemaRef } from './json-schema.ts';

/** What is different every time, in examples. */
const SAMPLE_IDS = {
  correlation_id: 'f0b3c2a4-6f0e-4f5e-9d6b-0c6a1f3e8d27',
  request_id: '2d1c7b1e-93c5-4a57-8f0b-5e7d9c4a6b18',
};
export const SAMPLE_TIME = '2026-11-22T10:43:00.925Z';

export const timestamp: Schema = {
  type: 'string',
  format: 'date-time',
  description: 'When it was answered, in UTC.',
};

const trailer = {
  correlation_id: schemaRef('CorrelationId'),
  request_id: schemaRef('RequestId'),
  timestamp,
};

/** The envelope of a success around its data. */
export function successSchema(data: Schema): Schema {
  return object({
    success: { const: true },
    data,
    message: { type: ['string', 'null'] },
    ...trailer,
    metadata: { type: 'object', description: 'Empty.' },
  });
}

export function successExample(data: unknown): unknown {
  return { success: true, data, message: null, ...SAMPLE_IDS, timestamp: SAMPLE_TIME, metadata: {} };
}

/** The envelope of one of these failures. `error.code` distinguishes them, so the choice is made inside of `error`. */
export function failureSchema(failures: readonly Failure[]): Schema {
  const errors = failures.map(errorSchema);
  return object({
    success: { const: false },
    error: errors.length > 1 ? { oneOf: errors } : (errors[0] as Schema),
    ...trailer,
  });
}

function errorSchema({ sample, details = { type: 'object' } }: Failure): Schema {
  const message: Schema = { type: 'string', description: 'For people; programs go by the code.' };
  return object({ code: { const: sample.code }, message, details });
}

export function failureExample({ code, message, details }: ServiceError): unknown {
  return {
    success: false,
    error: { code, message, details },
    ...SAMPLE_IDS,
    timestamp: SAMPLE_TIME,
  };
}
