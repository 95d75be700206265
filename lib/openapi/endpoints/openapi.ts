import type { EndpointDocumentation } from '../endpoint.ts';
import { object } from '../json-schema.ts';

export function openapi(): EndpointDocumentation {
  return {
    operationIds: ['getOpenApi'],
    tag: 'Service',
    summary: 'Get this document',
    description: 'It contains the limits that the service was started with.',
    schemas: {
      OpenApi: {
        ...object(
          { openapi: { type: 'string' }, info: { type: 'object' }, paths: { type: 'object' } },
          { description: 'An [OpenAPI](https://spec.openapis.org/oas/v3.1.1.html) document.' },
        ),
        additionalProperties: true,
      },
    },
    successes: [{ status: 200, description: 'This document.', document: 'OpenApi' }],
    examples: [],
  };
}
