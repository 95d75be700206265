import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canInstall, installDebianPackage } from '../support/engines/install.ts';
import { onPath } from '../support/engines/path.ts';
import { LOOPBACK } from '../support/engines/ports.ts';

const COMMAND = 'webdis';

/** Where Webdis is, installed where that can be done without asking anybody; undefined where it cannot be had. */
export async function findWebdis(path = process.env.PATH ?? ''): Promise<string | undefined> {
  if (!(await onPath(COMMAND, path)) && (await canInstall(path))) {
    await installDebianPackage(COMMAND, COMMAND);
  }
  return onPath(COMMAND, path);
}

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
