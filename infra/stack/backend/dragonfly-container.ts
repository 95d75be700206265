import type { DragonflySettings } from '../settings/types.ts';

/** Where the container finds its certificate: a volume of the task, gone with it. */
export const TLS_DIRECTORY = '/tls';

/** What the container's variables are called. Dragonfly reads the first by itself, and stops at one of its own it does not know. */
export const VARIABLES = {
  password: 'DFLY_requirepass',
  certificate: 'TLS_CERTIFICATE',
  key: 'TLS_KEY',
} as const;

const CERTIFICATE = `${TLS_DIRECTORY}/certificate.pem`;
const KEY = `${TLS_DIRECTORY}/key.pem`;

/** Of the task's memory; the rest is for connections, scripts and the fragments between what is stored. */
const SHARE = 0.8;

/** Dragonfly's own flags. */
export function flags({ cpu, memoryGiB }: Pick<DragonflySettings, 'cpu' | 'memoryGiB'>): string[] {
  return [
    // Keeps the keys of one hash tag on one thread, so that a script over them waits for no other thread.
    '--cluster_mode=emulated',
    // Evicts when it is full. Without it, it refuses to store.
    '--cache_mode=true',
    `--maxmemory=${Math.floor(memoryGiB * 1024 ** 3 * SHARE)}`,
    `--proactor_threads=${cpu}`,
    '--tls',
    `--tls_cert_file=${CERTIFICATE}`,
    `--tls_key_file=${KEY}`,
    '--primary_port_http_enabled=false',
    // It would ask on the internet, to which no route leads.
    '--version_check=false',
    // No snapshot at the end: the next task has another disk.
    '--dbfilename=',
    '--logtostderr',
  ];
}

/**
 * Writes the certificate, which Dragonfly takes from files only, gives up all rights and starts Dragonfly in its place. The
 * variables with the key do not reach it.
 */
const START = `set -eu
umask 077
printf '%s\\n' "$${VARIABLES.certificate}" > ${CERTIFICATE}
printf '%s\\n' "$${VARIABLES.key}" > ${KEY}
chown dfly:dfly ${CERTIFICATE} ${KEY}
unset ${VARIABLES.certificate} ${VARIABLES.key}
exec setpriv --reuid=dfly --regid=dfly --clear-groups --no-new-privs -- dragonfly "$@"`;

/** The flags come after it. */
export const ENTRY_POINT = ['/bin/sh', '-c', START, 'start'];

/** Asks as a client does, by TLS and with the password, which is told by a variable and so in no list of processes. */
export const HEALTH_CHECK = [
  'CMD-SHELL',
  `REDISCLI_AUTH="$${VARIABLES.password}" redis-cli -h 127.0.0.1 --tls --cacert ${CERTIFICATE} ping | grep -q PONG`,
];
