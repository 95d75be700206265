import type { Limits } from '../components.ts';
import type { EndpointDocumentation } from '../endpoint.ts';
import { SAMPLE_TIME, timestamp } from '../failures.ts';
import { count, object } from '../json-schema.ts';
import { backend } from './usage.ts';

export function health({ serviceName }: Limits): EndpointDocumentation {
  const report = (status: string) =>
    object(
      {
        status: { const: status },
        service: { type: 'string', description: 'The configured name of the service.' },
        backend,
        latency_ms: {
          type: 'number',
          minimum: 0,
          description: 'Time until the backend answered a PING, in milliseconds.',
        },
        memory: object(
          {
            used_bytes: count('Memory that the entries use.'),
            limit_bytes: count('Memory that they may use before some are evicted.'),
            evicted: count('Entries that were evicted since the process started.'),
          },
          { description: 'Only for the embedded store.' },
        ),
        timestamp,
      },
      { optional: ['memory'] },
    );
  return {
    operationIds: ['getHealth'],
    tag: 'Service',
    summary: 'Check the health of the service',
    description: 'Makes one round trip to the backend.',
    schemas: { Healthy: report('healthy'), Unhealthy: report('unhealthy') },
    successes: [
      { status: 200, description: 'The backend answers.', document: 'Healthy' },
      { status: 503, description: 'The backend does not answer.', document: 'Unhealthy' },
    ],
    examples: [
      {
        name: 'healthy',
        summary: 'A backend that answers',
        response: {
          status: 200,
          body: {
            status: 'healthy',
            service: serviceName,
            backend: 'dragonfly',
            latency_ms: 0.412,
            timestamp: SAMPLE_TIME,
          },
        },
      },
    ],
  };
}
