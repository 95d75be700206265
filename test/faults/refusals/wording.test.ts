import { expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import { asBackendError, isPassing } from '../../../lib/store/redis/connection/errors.ts';

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
  expect(isPassing(new Error(message))).toBe(true);
});

test('what passes for a command passes for a script, too', () => {
  expect(
    isPassing(new Error(`${IN_SCRIPT}@user_script:12: @user_script: 12: -READONLY You can't write`)),
  ).toBe(true);
  expect(
    isPassing(new Error(`${IN_SCRIPT}@user_script:12: @user_script: 12: -OOM command not allowed`)),
  ).toBe(false);
});

test('an error of our own scripts is a fault of ours', () => {
  const error = new Error(`${IN_SCRIPT}@user_script:12: attempt to index a nil value`);
  expect(asBackendError(error)).toBe(error);
});
