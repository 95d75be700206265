/**
 * Settings for tests whose backend is healthy. A busy machine may stop a process for seconds, which the default timeout would report
 * as a backend that is unavailable.
 */
export const PATIENT = { BACKEND_TIMEOUT_MS: '10000' } as const;

/** Settings for tests whose backend fails, so that they do not wait long for each failure. A busy machine can still connect. */
export const IMPATIENT = { BACKEND_TIMEOUT_MS: '1500' } as const;
