import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions';
import type { BackendTrace } from '../tracing-channels.ts';

/** Whichever server it is, it is spoken to in Redis's protocol: that is what the conventions name. */
export const REDIS = 'redis';

/** What spans and metrics tell of a backend call that is over: no keys, no values, and of an error its class alone. */
export function callAttributes({ command, server, error }: BackendTrace): Attributes {
  const { host, port } = server() ?? {};
  return {
    [ATTR_DB_SYSTEM_NAME]: REDIS,
    [ATTR_DB_OPERATION_NAME]: command,
    ...(host !== undefined && { [ATTR_SERVER_ADDRESS]: host, [ATTR_SERVER_PORT]: port }),
    ...(error !== undefined && { [ATTR_ERROR_TYPE]: error instanceof Error ? error.name : '_OTHER' }),
  };
}
