import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath } from './path.ts';

/**
 * Installs quietly as far as questions go, and loudly as far as progress goes.
 *
 * Debian starts a service as soon as its package is unpacked, unless the machine's policy-rc.d says no; so one that says no
 * stands there for the time being. A machine that has a policy already keeps it. The second look at the PATH is for the
 * process that waited for the lock while another one installed.
 */
const SCRIPT = `
set -eu
command -v "$1" >/dev/null && exit 0
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get -q update || echo 'The package lists could not be refreshed: trying with those at hand.'
apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install "$2"
`;

/** True where packages can be installed without asking anybody: as root, with apt-get at hand. */
export async function canInstall(path: string): Promise<boolean> {
  return process.getuid?.() === 0 && (await onPath('apt-get', path)) !== undefined;
}

/**
 * Installs a Debian package, and starts nothing that is in it. Progress goes to stderr.
 *
 * @param command what the package is wanted for; nothing is done where it has turned up in the meantime
 * @throws Error when apt-get fails; what it said is on stderr
 */
export async function installDebianPackage(command: string, debianPackage: string): Promise<void> {
  process.stderr.write(
    `${command} is not on the PATH: installing Debian's ${debianPackage} with apt-get …\n`,
  );
  // flock is part of every Debian. Without it, test processes that start side by side would fail on apt's own locks.
  const lock = join(tmpdir(), 'cache-service-tests-apt.lock');
  const child = spawn('flock', [lock, 'sh', '-c', SCRIPT, 'sh', command, debianPackage], {
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) {
    throw new Error(`apt-get could not install ${debianPackage}; try: sudo apt-get install ${debianPackage}`);
  }
  process.stderr.write(`${debianPackage} is installed; none of its services was started.\n`);
}
