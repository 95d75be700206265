import type { DragonflySettings } from '../settings/types.ts';

/** Mount point of the task's volume for the certificate. The volume is deleted with the task. */
export const TLS_DIRECTORY = '/tls';

/** Names of the container's variables. Dragonfly reads the first, and exits if it finds an unknown one with its prefix. */
export const VARIABLES = {
  password: 'DFLY_requirepass',
  certificate: 'TLS_CERTIFICATE',
  key: 'TLS_KEY',
} as const;

const CERTIFICATE = `${TLS_DIRECTORY}/certificate.pem`;
const KEY = `${TLS_DIRECTORY}/key.pem`;

/** Share of the task's memory for data. The rest is for connections, scripts and fragmentation. */
const DATA_SHARE = 0.8;

/** Dragonfly's flags. */
export function flags({ cpu, memoryGiB }: Pick<DragonflySettings, 'cpu' | 'memoryGiB'>): string[] {
  return [
    // Keeps the keys of one hash tag on one thread, so that a script waits for no other thread.
    '--cluster_mode=emulated',
    // Evicts when memory is full. Otherwise sets would fail.
    '--cache_mode=true',
    // Rejects writes, and new connections, if fragmentation makes the resident memory 1.1 times the limit for data. The default, 1.25, would
    // be all of the task's memory: the task would be killed, and come back empty.
    '--rss_oom_deny_ratio=1.1',
    `--maxmemory=${Math.floor(memoryGiB * 1024 ** 3 * DATA_SHARE)}`,
    `--proactor_threads=${cpu}`,
    '--tls',
    `--tls_cert_file=${CERTIFICATE}`,
    `--tls_key_file=${KEY}`,
    '--primary_port_http_enabled=false',
    // The check needs the internet, to which there is no route.
    '--version_check=false',
    // No snapshot on shutdown: the next task has another disk.
    '--dbfilename=',
    '--logtostderr',
  ];
}

/**
 * Writes the certificate and the key to files, which Dragonfly requires, drops privileges and replaces itself by Dragonfly. The
 * variables with certificate and key are unset before.
 */
const START = `set -eu
umask 077
printf '%s\\n' "$${VARIABLES.certificate}" > ${CERTIFICATE}
printf '%s\\n' "$${VARIABLES.key}" > ${KEY}
chown dfly:dfly ${CERTIFICATE} ${KEY}
unset ${VARIABLES.certificate} ${VARIABLES.key}
exec setpriv --reuid=dfly --regid=dfly --clear-groups --no-new-privs -- dragonfly "$@"`;

/** The container's command, which has Dragonfly's flags, follows as arguments. */
export const ENTRY_POINT = ['/bin/sh', '-c', START, 'start'];

/** Sends PING over TLS. The password is passed as a variable, so that it is not visible in the process list. */
export const HEALTH_CHECK = [
  'CMD-SHELL',
  `REDISCLI_AUTH="$${VARIABLES.password}" redis-cli -h 127.0.0.1 --tls --cacert ${CERTIFICATE} ping | grep -q PONG`,
];
