/**
 * Settings for tests with a healthy backend. A busy machine may pause a process for seconds, and with the default timeout the
 * service would report the backend as unavailable.
 */
export const PATIENT = { BACKEND_TIMEOUT_MS: '10000' } as const;

/** Settings for tests with a failing backend. The timeout is short, but long enough to connect on a busy machine. */
export const IMPATIENT = { BACKEND_TIMEOUT_MS: '1500' } as const;
