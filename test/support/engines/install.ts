import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onPath } from './path.ts';

/**
 * Installs without questions and prints its progress.
 *
 * Debian starts a service as soon as its package is unpacked, unless the machine's policy-rc.d forbids it. The script therefore
 * adds a policy that forbids it, and removes it at the end; it leaves a policy that the machine already has. Each package is
 * installed by a command of its own, so that a package which the release lacks does not stop the others.
 */
const SCRIPT = `
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get -q update || echo 'The package lists could not be updated. Trying with the existing ones.'
status=0
for package; do
  apt-get -q -y --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 install "$package" || status=1
done
exit $status
`;

/**
 * The directory that is locked during an installation: without a lock, runs that start at the same time fail on apt's own locks.
 * Every Debian has it, so no lock file is left behind.
 */
const LOCK = '/var/lib/dpkg';

/** Whether packages can be installed without a password: as root, with apt-get. */
export async function canInstall(path: string): Promise<boolean> {
  return process.getuid?.() === 0 && (await onPath('apt-get', path)) !== undefined;
}

/** Installs as many of the Debian packages as possible and starts none of their services. Progress goes to stderr. */
export async function installDebianPackages(packages: readonly string[]): Promise<void> {
  const names = packages.join(', ');
  process.stderr.write(`Installing with apt-get: ${names} …\n`);
  // flock is part of every Debian.
  const child = spawn('flock', [LOCK, 'sh', '-c', SCRIPT, 'sh', ...packages], {
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const [code] = await once(child, 'exit');
  process.stderr.write(
    code === 0
      ? `Installed: ${names}. Their services were not started.\n`
      : `apt-get could not install all of these: ${names}\n`,
  );
}
