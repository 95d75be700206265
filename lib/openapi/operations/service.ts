import type { Documentation } from './documentation.ts';

export const health: Documentation = {
  ids: ['getHealth'],
  tag: 'Service',
  summary: 'Ask whether the service is up',
  description: 'Makes one round trip to the backend.',
  answers: [
    { status: 200, description: 'The backend answers.', document: 'Healthy' },
    { status: 503, description: 'The backend does not answer.', document: 'Unhealthy' },
  ],
};

export const openapi: Documentation = {
  ids: ['getOpenApi'],
  tag: 'Service',
  summary: 'Get this document',
  description: 'With the limits that the service was started with.',
  answers: [{ status: 200, description: 'This document.', document: 'OpenApi' }],
};
