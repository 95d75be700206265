import { describe, expect, it } from 'vitest';
import { BACKENDS, synthesize } from './synthesize.ts';
import { FUNCTIONS, statementsOf, variablesOf } from './template.ts';

const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:nats-AbCdEf';

/** Those that change something. */
const TELLING = ['set', 'delete', 'invalidate', 'clear-tenant', 'batch-set', 'batch-delete'].map(
  (operation) =>
    `${operation
      .split('-')
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join('')}Function`,
);

const natsUrl = 'tls://connect.example.com';
const { template: off } = synthesize(BACKENDS.external);
const { template: on } = synthesize({ ...BACKENDS.external, natsUrl, natsSecretArn: SECRET });
const { template: open } = synthesize({ ...BACKENDS.memory, natsUrl });

describe('events', () => {
  it('are off unless a broker is given', () => {
    for (const id of Object.keys(FUNCTIONS)) {
      expect(variablesOf(off, id), id).toMatchObject({
        ENABLE_NATS: '',
        NATS_URL: '',
        NATS_CREDS: '',
        NATS_SECRET_ARN: '',
      });
    }
  });

  it('are published by the functions that change something, and no other connects', () => {
    expect(Object.keys(FUNCTIONS)).toEqual(expect.arrayContaining(TELLING));
    for (const id of Object.keys(FUNCTIONS)) {
      const tells = TELLING.includes(id);
      expect(variablesOf(on, id), id).toMatchObject({
        ENABLE_NATS: tells ? 'true' : '',
        NATS_URL: tells ? natsUrl : '',
        NATS_SECRET_ARN: tells ? SECRET : '',
      });
      const allowed = statementsOf(on, id).filter(({ Resource }) => [Resource].flat().includes(SECRET));
      expect(
        allowed.map(({ Effect, Action }) => [Effect, Action]),
        id,
      ).toEqual(tells ? [['Allow', 'secretsmanager:GetSecretValue']] : []);
    }
  });

  it('need no secret where the broker wants no login', () => {
    for (const id of TELLING) {
      expect(variablesOf(open, id), id).toMatchObject({
        ENABLE_NATS: 'true',
        NATS_URL: natsUrl,
        NATS_SECRET_ARN: '',
      });
      expect(JSON.stringify(statementsOf(open, id)), id).not.toContain('secretsmanager');
    }
  });
});
