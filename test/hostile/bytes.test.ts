import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../http/service.ts';
import { checkAndLabel } from './attack/bytes.ts';
import { newTenantName, withTenants } from './attack/names.ts';
import { ATTACKS } from './generate/bytes.ts';
import { sendBytes } from './wire/send-bytes.ts';

const MALFORMED = ['400 VALIDATION_ERROR'];
const TOO_LONG = ['431 VALIDATION_ERROR'];

/** Expected responses to the attacks that are not simply malformed. `sendBytes` appends a health request to each attack. */
const OTHERS: Readonly<Record<string, string[]>> = {
  // The server waits for the rest of the body.
  'a length that is too long': [],
  'a chunk shorter than its size': [],
  // Valid HTTP, although unusual.
  'a coding after a tab': ['400 VALIDATION_ERROR', 'health'],
  'two codings': ['400 VALIDATION_ERROR', 'health'],
  'a chunk with extensions': ['201', 'health'],
  'two Hosts': ['200', 'health'],
  'an empty Host': ['200', 'health'],
  'an invalid Host': ['200', 'health'],
  'empty lines before the request': ['200', 'health'],
  'a request line with two spaces': ['200', 'health'],
  'a target with a fragment': ['200', 'health'],
  'a target with two fragments': ['200', 'health'],
  'an absolute target for another server': ['302', 'health'],
  'a target with a broken authority': ['404 NOT_FOUND', 'health'],
  'an unknown expectation': ['201', 'health'],
  // The server closes the connection after the response.
  'an upgrade': ['200'],
  'a request after an empty body': ['200', '204', 'health'],
  'two pipelined requests': ['200', '200', 'health'],
  'a request in the body of another': ['400 VALIDATION_ERROR', 'health'],
  nothing: ['health'],
  'line breaks': ['health'],
  'a very long target': TOO_LONG,
  'a very long header name': TOO_LONG,
  'a very long header': TOO_LONG,
  'very many headers': TOO_LONG,
  'very many trailers': TOO_LONG,
};

describe('each attack with raw bytes gets the expected responses:', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test.each(Object.keys(ATTACKS))('%s', async (name) => {
    const bytes = withTenants(ATTACKS[name] as string, newTenantName(), newTenantName());
    const responses = await sendBytes(service.port, Buffer.from(bytes, 'latin1'));
    expect(responses.map(checkAndLabel)).toEqual(OTHERS[name] ?? MALFORMED);
  });

  test('the response to an upgrade request closes the connection, because bytes after it would not be checked', async () => {
    const [response] = await sendBytes(service.port, Buffer.from(ATTACKS['an upgrade'] as string, 'latin1'));
    expect(response?.headers).toHaveProperty('connection', 'close');
  });
});
