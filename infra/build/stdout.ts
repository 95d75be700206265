import { fstatSync, ftruncateSync, writeSync } from 'node:fs';

const STDOUT = 1;

/**
 * Writes the result of a command to stdout.
 *
 * `npm run` writes a banner to stdout before it starts the script. With `npm run … > file` the file would begin with the banner, so
 * it is removed from a file that contains nothing else. It cannot be removed from a pipe; `npm run -s` writes none.
 */
export function print(text: string): void {
  if (!isBannerAlone()) {
    process.stdout.write(text);
    return;
  }
  ftruncateSync(STDOUT, 0);
  // At offset 0: the file position, which this process shares with npm, is still behind the banner.
  writeSync(STDOUT, text, 0);
}

/** Whether stdout is a file that contains npm's banner for this process and nothing else. */
function isBannerAlone(): boolean {
  const { npm_package_name: name, npm_package_version: version, npm_lifecycle_event: script } = process.env;
  const command = [process.env.npm_lifecycle_script, ...process.argv.slice(2)].join(' ');
  const banner = `\n> ${name}@${version} ${script}\n> ${command}\n\n`;
  const stdout = fstatSync(STDOUT);
  return script !== undefined && stdout.isFile() && stdout.size === Buffer.byteLength(banner);
}
