import { readConfig } from './config.ts';
import { createLog } from './telemetry/log.ts';
import { RequestLog } from './telemetry/request-log.ts';
import { createSink } from './telemetry/sink.ts';

/** This process's settings. Importing this module throws `ConfigError` when one of them does not parse. */
export const config = readConfig(process.env);

const sink = createSink(config);

/** This process's log. */
export const log = createLog(config, sink);

/** Its lines for requests. */
export const requestLog = new RequestLog(config, sink);
