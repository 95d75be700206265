import type { Config } from '../config/config.ts';

/** The settings that callers notice, and that the document is made from. */
export type Limits = Pick<
  Config,
  'serviceName' | 'defaultTtlSeconds' | 'maxTtlSeconds' | 'maxValueBytes' | 'tenantClaim' | 'onLambda'
>;
