import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onPath } from './path.ts';

/**
 * Installs quietly as far as questions go, and loudly as far as progress goes.
 *
 * Debian starts a service as soon as its package is unpacked, unless the machine's policy-rc.d says no; so one that says no
 * stands there for the time being. A machine that has a policy already keeps it. Each package is installed by itself, so that
 * one which a release does not have keeps none of the others away.
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
apt-get -q update || echo 'The package lists could not be refreshed: trying with those at hand.'
status=0
for package; do
  apt-get -q -y --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 install "$package" || status=1
done
exit $status
`;

/**
 * What is locked during an installation: without it, runs that start side by side would fail on apt's own locks. It is a directory
 * that every Debian has, so that no file of ours is left behind.
 */
const LOCK = '/var/lib/dpkg';

/** True where packages can be installed without asking anybody: as root, with apt-get at hand. */
export async function canInstall(path: string): Promise<boolean> {
  return process.getuid?.() === 0 && (await onPath('apt-get', path)) !== undefined;
}

/** Installs Debian packages, as many of them as can be, and starts nothing that is in them. What happens goes to stderr. */
export async function installDebianPackages(packages: readonly string[]): Promise<void> {
  const names = packages.join(', ');
  process.stderr.write(`Installing with apt-get what the tests use and is missing: ${names} …\n`);
  // flock is part of every Debian.
  const child = spawn('flock', [LOCK, 'sh', '-c', SCRIPT, 'sh', ...packages], {
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const [code] = await once(child, 'exit');
  process.stderr.write(
    code === 0
      ? `Installed: ${names}; none of their services was started.\n`
      : `apt-get could not install all of: ${names}\n`,
  );
}
