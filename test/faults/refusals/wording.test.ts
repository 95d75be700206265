import { expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import { asBackendError, describeError, isTransient } from '../../../lib/store/redis/connection/errors.ts';

/** Redis before 7 and Dragonfly add this prefix to the error of a script's command. The engines of the tests do not. */
const IN_SCRIPT = 'ERR Error running script (call to f_83e03ec05d6a3b6fb48483accf5e594597b6058f): ';

test.each([
  `${IN_SCRIPT}@user_script:12: @user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.`,
  `${IN_SCRIPT}@user_script:12: @user_script: 12: -READONLY You can't write against a read only replica.`,
  `${IN_SCRIPT}@user_script:12: -READONLY You can't write against a read only replica.`,
  `${IN_SCRIPT}@user_script:12: Out of memory`,
])('an error of a command within a script is a BackendUnavailableError: %s', (message) => {
  expect(asBackendError(new Error(message))).toBeInstanceOf(BackendUnavailableError);
});

test.each([
  'WRONGPASS invalid username-password pair or user is disabled.',
  'NOAUTH Authentication required.',
  'ERR invalid password',
  'ERR AUTH <password> called without any password configured for the default user.',
])('a rejected login is a BackendUnavailableError: %s', (message) => {
  expect(asBackendError(new Error(message))).toBeInstanceOf(BackendUnavailableError);
});

test('the error of a blocked command whose server becomes a replica is transient', () => {
  const message =
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)';
  expect(isTransient(new Error(message))).toBe(true);
});

test.each([
  // The first as observed from Redis 7, the second by the sources of Redis 6.
  'ERR Script attempted to access a non local key in a cluster node script: 83e03ec0, on @user_script:188.',
  `${IN_SCRIPT}@user_script:188: @user_script: 188: Lua script attempted to access a non local key in a cluster node`,
])('the error of a script whose slot is moving is transient: %s', (message) => {
  expect(isTransient(new Error(message))).toBe(true);
});

test('an error that is transient for a command is also transient for a script', () => {
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
])('a connection error with the code %s is transient and a BackendUnavailableError', (code) => {
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
])('an error with the code %s is a programming error and not transient', (code) => {
  const error = withCode(code, new TypeError('The "key" argument must be of type string'));
  expect(isTransient(error)).toBe(false);
  expect(asBackendError(error)).toBe(error);
});

test('a reply that is not the Redis protocol is a BackendUnavailableError and not transient', () => {
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

test('a TLS alert is described with the scheme that the URL needs', () => {
  expect(describeError(new Error('Unknown RESP type 21 "\x15". Please report this.'), 'cache:6379')).toBe(
    'cache:6379 answers, but does not speak the Redis protocol: it wants TLS, dragonflys://…',
  );
});

test('an AggregateError without a message is described by the messages of its errors', () => {
  const errors = ['connect ECONNREFUSED ::1:6379', 'connect ECONNREFUSED 127.0.0.1:6379'].map(
    (message) => new Error(message),
  );
  expect(describeError(new AggregateError(errors), 'localhost:6379')).toBe(
    errors.map(({ message }) => message).join(', '),
  );
});

test("an error in the service's own scripts is a programming error", () => {
  const error = new Error(`${IN_SCRIPT}@user_script:12: attempt to index a nil value`);
  expect(asBackendError(error)).toBe(error);
});
