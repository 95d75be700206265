import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../http/service.ts';
import { outcomeOf } from './attack/bytes.ts';
import { named, newName } from './attack/names.ts';
import { ATTACKS } from './generate/bytes.ts';
import { fire } from './wire/barrage.ts';

const MALFORMED = ['400 VALIDATION_ERROR'];
const TOO_LONG = ['431 VALIDATION_ERROR'];

/** What is answered to those that are not just malformed; what comes after them on the connection asks for the health. */
const OTHERS: Readonly<Record<string, string[]>> = {
  // The server waits for the rest.
  'a length that is too long': [],
  'a chunk shorter than its size': [],
  // HTTP that is sound, however unusual.
  'a coding with a tab': ['400 VALIDATION_ERROR', 'health'],
  'two codings': ['400 VALIDATION_ERROR', 'health'],
  'a chunk with extensions': ['201', 'health'],
  'two Hosts': ['200', 'health'],
  'an empty Host': ['200', 'health'],
  'a Host of nonsense': ['200', 'health'],
  'empty lines before the request': ['200', 'health'],
  'a request line with two spaces': ['200', 'health'],
  'a target with a fragment': ['200', 'health'],
  'a target with two fragments': ['200', 'health'],
  'a target of another server': ['302', 'health'],
  'a target with a broken authority': ['404 NOT_FOUND', 'health'],
  'an expectation that nobody knows': ['201', 'health'],
  // The connection ends with the answer.
  'an upgrade': ['200'],
  'a request behind a body that is none': ['200', '204', 'health'],
  'two requests in one go': ['200', '200', 'health'],
  'a request in the body of another': ['400 VALIDATION_ERROR', 'health'],
  nothing: ['health'],
  'line breaks': ['health'],
  'a very long target': TOO_LONG,
  'a very long header name': TOO_LONG,
  'a very long header': TOO_LONG,
  'very many headers': TOO_LONG,
  'very many trailers': TOO_LONG,
};

describe("bytes of an attacker's own making are answered as they are known to be:", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test.each(Object.keys(ATTACKS))('%s', async (name) => {
    const bytes = named(ATTACKS[name] as string, newName(), newName());
    const answers = await fire(service.port, Buffer.from(bytes, 'latin1'));
    expect(answers.map(outcomeOf)).toEqual(OTHERS[name] ?? MALFORMED);
  });

  test('a connection ends with the answer to an upgrade, behind which nothing could be refused', async () => {
    const [answer] = await fire(service.port, Buffer.from(ATTACKS['an upgrade'] as string, 'latin1'));
    expect(answer?.headers).toHaveProperty('connection', 'close');
  });
});
