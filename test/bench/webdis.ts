import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from '../support/engines/ports.ts';

/**
 * Writes Webdis's configuration: on loopback, with the default number of threads and no log.
 *
 * @returns the path of the file, which is Webdis's only argument. Without it Webdis starts with its defaults
 */
export async function writeWebdisConfig(
  directory: string,
  httpPort: number,
  redisPort: number,
): Promise<string> {
  const file = join(directory, 'webdis.json');
  const settings = {
    redis_host: LOOPBACK,
    redis_port: redisPort,
    redis_auth: null,
    http_host: LOOPBACK,
    http_port: httpPort,
    daemonize: false,
    database: 0,
    // Minimal logging, to /dev/null.
    verbosity: 0,
    logfile: '/dev/null',
  };
  await writeFile(file, JSON.stringify(settings));
  return file;
}
