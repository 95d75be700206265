import { readConfig } from './config.ts';
import { createLog } from './telemetry/log.ts';

/** This process's settings. Importing this module throws `ConfigError` when one of them does not parse. */
export const config = readConfig(process.env);

/** This process's log. */
export const log = createLog(config);
