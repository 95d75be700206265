/** Names that OpenTelemetry's conventions have not settled yet, and the service's own; those that are settled are in its package. */

export const USER_ID = 'user.id';
export const FAAS_COLDSTART = 'faas.coldstart';
export const FAAS_INVOCATION_ID = 'faas.invocation_id';
export const FAAS_TRIGGER = 'faas.trigger';
export const FAAS_NAME = 'faas.name';
export const FAAS_VERSION = 'faas.version';
export const FAAS_INSTANCE = 'faas.instance';
export const FAAS_MAX_MEMORY = 'faas.max_memory';
export const CLOUD_PROVIDER = 'cloud.provider';
export const CLOUD_PLATFORM = 'cloud.platform';
export const CLOUD_REGION = 'cloud.region';

/** The tenant in whose name a request is made: on spans alone, since of metrics each value is a series of its own. */
export const TENANT = 'cache.tenant';
/** The operation by the name of its endpoint: `get`, `set`, `batch-get`, … */
export const OPERATION = 'cache.operation';
/** Of a get: whether it was a hit. */
export const HIT = 'cache.hit';
/** The identifiers that the answer carries and the log has on its lines. */
export const CORRELATION_ID = 'cache.correlation_id';
export const REQUEST_ID = 'cache.request_id';
