import { readFileSync } from 'node:fs';
import { expect, inject, test } from 'vitest';
import { operations } from '../../infra/build/functions.ts';
import { sampleEvent, sampleStatus } from '../events/sample.ts';
import { startFunction } from './lambda.ts';

test.each(operations)(
  'the sample event of %s matches its example, and the function returns the status of the example',
  async (operation) => {
    const file = new URL(`../events/${operation}.json`, import.meta.url);
    const event = JSON.parse(readFileSync(file, 'utf8'));
    expect(event, 'node test/events/sample.ts writes it').toEqual(sampleEvent(operation));
    const lambda = await startFunction(operation, { DRAGONFLY_URL: inject('singleUrl') });
    try {
      expect((await lambda.invoke(event)).statusCode).toBe(sampleStatus(operation));
    } finally {
      await lambda.stop();
    }
  },
);
