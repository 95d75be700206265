export { bearer, type Credentials, type SigV4Options, sigV4 } from './authorize.ts';
export { CacheClient } from './client.ts';
export {
  BackendUnavailableError,
  CacheError,
  ConnectionError,
  DeadlineError,
  type Failure,
  GatewayError,
  InternalError,
  InvalidationIncompleteError,
  type Issue,
  LeaseLostError,
  MethodNotAllowedError,
  MissingTenantError,
  NotFoundError,
  PayloadTooLargeError,
  TenantMismatchError,
  UnsupportedMediaTypeError,
  ValidationError,
} from './errors.ts';
export type { Fetch, FetchRequest, FetchResponse, Signal } from './runtime.ts';
export type {
  Authorize,
  CallOptions,
  ClientOptions,
  Entry,
  EntryOptions,
  GetOrSetOptions,
  Health,
  Lease,
  LeaseLookup,
  LeaseOptions,
  Lookup,
  Outgoing,
  SetOptions,
  Usage,
  WasSet,
} from './types.ts';
