import { readConfig } from './config/config.ts';
import { createLog } from './log/log.ts';
import { createSink } from './log/sink.ts';
import { RequestLog } from './observability/request-log.ts';

/** This process's settings. Importing this module throws `ConfigError` when one of them does not parse. */
export const config = readConfig(process.env);

const sink = createSink(config);

/** This process's log. */
export const log = createLog(config, sink);

/** Its lines for requests. */
export const requestLog = new RequestLog(config, sink);
