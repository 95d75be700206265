import { expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import { asBackendError, describeError, isTransient } from '../../../lib/store/redis/connection/errors.ts';

/** Redis before 7 and Dragonfly put what a script's command met behind words of their own, which no engine at hand does. */
const IN_SCRIPT = 'ERR Error running script (call to f_83e03ec05d6a3b6fb48483accf5e594597b6058f): ';

test.each([
  `${IN_SCRIPT}@user_script:12: @user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.`,
  `${IN_SCRIPT}@user_script:12: @user_script: 12: -READONLY You can't write against a read only replica.`,
  `${IN_SCRIPT}@user_script:12: -READONLY You can't write against a read only replica.`,
  `${IN_SCRIPT}@user_script:12: Out of memory`,
])('a refusal that a script met is a refusal: %s', (message) => {
  expect(asBackendError(new Error(message))).toBeInstanceOf(BackendUnavailableError);
});

test.each([
  'WRONGPASS invalid username-password pair or user is disabled.',
  'NOAUTH Authentication required.',
  'ERR invalid password',
  'ERR AUTH <password> called without any password configured for the default user.',
])('a login refused is no fault of ours: %s', (message) => {
  expect(asBackendError(new Error(message))).toBeInstanceOf(BackendUnavailableError);
});

test('a server that is made a replica while somebody waits on it passes', () => {
  const message =
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)';
  expect(isTransient(new Error(message))).toBe(true);
});

test('what passes for a command passes for a script, too', () => {
  expect(
    isTransient(new Error(`${IN_SCRIPT}@user_script:12: @user_script: 12: -READONLY You can't write`)),
  ).toBe(true);
  expect(
    isTransient(new Error(`${IN_SCRIPT}@user_script:12: @user_script: 12: -OOM command not allowed`)),
  ).toBe(false);
});

const withCode = (code: string, error = new Error('connect failed')) => Object.assign(error, { code });

test.each([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EMFILE',
  'ERR_SSL_WRONG_VERSION_NUMBER',
])('a connection that fails with %s is tried again, and is no fault of ours', (code) => {
  expect(isTransient(withCode(code))).toBe(true);
  expect(asBackendError(withCode(code))).toBeInstanceOf(BackendUnavailableError);
});

test.each([
  'ERR_INVALID_ARG_TYPE',
  'ERR_OUT_OF_RANGE',
  'ERR_STREAM_NULL_VALUES',
  'ERR_TLS_INVALID_PROTOCOL_VERSION',
  'ENOENT',
  'EACCES',
])('an error with the code %s is a fault of ours, and is not tried again', (code) => {
  const error = withCode(code, new TypeError('The "key" argument must be of type string'));
  expect(isTransient(error)).toBe(false);
  expect(asBackendError(error)).toBe(error);
});

test('what is not the Redis protocol is no fault of ours, and is not repeated', () => {
  for (const message of [
    'Unknown RESP type 72 "H". Please report this.',
    'Command queue state error. Last reply: secret',
  ]) {
    expect(asBackendError(new Error(message))).toBeInstanceOf(BackendUnavailableError);
    expect(describeError(new Error(message), 'cache:6379')).toBe(
      'cache:6379 answers, but does not speak the Redis protocol',
    );
  }
});

test('an error of several addresses, which has no message, is described by theirs', () => {
  const errors = ['connect ECONNREFUSED ::1:6379', 'connect ECONNREFUSED 127.0.0.1:6379'].map(
    (message) => new Error(message),
  );
  expect(describeError(new AggregateError(errors), 'localhost:6379')).toBe(
    errors.map(({ message }) => message).join(', '),
  );
});

test('an error of our own scripts is a fault of ours', () => {
  const error = new Error(`${IN_SCRIPT}@user_script:12: attempt to index a nil value`);
  expect(asBackendError(error)).toBe(error);
});
