import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from '../support/engines/ports.ts';

/**
 * Writes Webdis's settings: on loopback, with as many threads as it takes by itself, and no log.
 *
 * @returns the file's path, its only argument; without one it starts all the same, on its own defaults
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
    // The fewest lines that there are, to nowhere.
    verbosity: 0,
    logfile: '/dev/null',
  };
  await writeFile(file, JSON.stringify(settings));
  return file;
}
