import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BACKENDS, synthesize } from './synthesize.ts';
import { FUNCTIONS, statementsOf, variablesOf } from './template.ts';

const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:nats-AbCdEf';

/** Whether the source of an operation's function publishes events. */
const publishes = (operation: string) =>
  readFileSync(new URL(`../../functions/${operation}.ts`, import.meta.url), 'utf8').includes(
    'events.publish(',
  );

/** The functions of the operations that publish events. */
const PUBLISHING = Object.keys(FUNCTIONS).filter((id) => publishes(FUNCTIONS[id] as string));

const natsUrl = 'tls://connect.example.com';
const { template: off } = synthesize(BACKENDS.external);
const { template: on } = synthesize({ ...BACKENDS.external, natsUrl, natsSecretArn: SECRET });
const { template: open } = synthesize({ ...BACKENDS.memory, natsUrl });

describe('events', () => {
  it('are off without a broker', () => {
    for (const id of Object.keys(FUNCTIONS)) {
      expect(variablesOf(off, id), id).toMatchObject({
        ENABLE_NATS: '',
        NATS_URL: '',
        NATS_CREDS: '',
        NATS_SECRET_ARN: '',
      });
    }
  });

  it('are enabled in functions that change entries only', () => {
    expect(PUBLISHING).toContain('SetFunction');
    expect(PUBLISHING).not.toContain('GetFunction');
    for (const id of Object.keys(FUNCTIONS)) {
      const isPublishing = PUBLISHING.includes(id);
      expect(variablesOf(on, id), id).toMatchObject({
        ENABLE_NATS: isPublishing ? 'true' : '',
        NATS_URL: isPublishing ? natsUrl : '',
        NATS_SECRET_ARN: isPublishing ? SECRET : '',
      });
      const allowed = statementsOf(on, id).filter(({ Resource }) => [Resource].flat().includes(SECRET));
      expect(
        allowed.map(({ Effect, Action }) => [Effect, Action]),
        id,
      ).toEqual(isPublishing ? [['Allow', 'secretsmanager:GetSecretValue']] : []);
    }
  });

  it('need no secret if the broker requires no login', () => {
    for (const id of PUBLISHING) {
      expect(variablesOf(open, id), id).toMatchObject({
        ENABLE_NATS: 'true',
        NATS_URL: natsUrl,
        NATS_SECRET_ARN: '',
      });
      expect(JSON.stringify(statementsOf(open, id)), id).not.toContain('secretsmanager');
    }
  });
});
