import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';
import type { ProgramName } from './find.ts';
import { LOOPBACK } from './ports.ts';

/** The configuration of a server, independent of the engine. */
export interface ServerSpec {
  port: number;
  directory: string;
  password: string | undefined;
  /** Additional users: name → ACL rules. */
  users: Record<string, string>;
  certificates: CertificateFiles | undefined;
  /** Additional arguments of the engine, appended to the others. */
  args: readonly string[];
}

/** Writes the server's configuration files and returns its arguments. */
export async function commandLine(engine: ProgramName, spec: ServerSpec): Promise<string[]> {
  const aclFile = await writeUsers(spec);
  return engine === 'dragonfly' ? dragonfly(spec, aclFile) : redis(spec, aclFile);
}

/** Arguments for Redis and for its fork Valkey. */
async function redis(spec: ServerSpec, aclFile: string | undefined): Promise<string[]> {
  const { port, directory, password, certificates } = spec;
  const settings: Record<string, string> = {
    bind: LOOPBACK,
    dir: directory,
    daemonize: 'no',
    // No persistence.
    save: '',
    appendonly: 'no',
    // Start a replica's synchronization at once, without waiting for further replicas.
    'repl-diskless-sync-delay': '0',
    // Nodes list a replica for clients only after it has received data; at the latest this ping.
    'repl-ping-replica-period': '1',
  };
  if (password !== undefined) Object.assign(settings, { requirepass: password, masterauth: password });
  if (aclFile !== undefined) settings.aclfile = aclFile;
  if (certificates) {
    Object.assign(settings, {
      port: '0',
      'tls-port': String(port),
      'tls-cert-file': certificates.certFile,
      'tls-key-file': certificates.keyFile,
      'tls-ca-cert-file': certificates.caFile,
      'tls-auth-clients': 'no',
      // For connections between nodes.
      'tls-cluster': 'yes',
      'tls-replication': 'yes',
    });
  } else {
    settings.port = String(port);
  }
  const configFile = join(directory, 'engine.conf');
  // For ASCII, the quoting in Redis's configuration files is the same as in JSON.
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(value)}\n`);
  await writeFile(configFile, lines.join(''), { mode: 0o600 });
  return [configFile, ...spec.args];
}

function dragonfly(spec: ServerSpec, aclFile: string | undefined): string[] {
  const { port, directory, password, certificates } = spec;
  if (certificates && password === undefined) {
    throw new Error('Dragonfly supports TLS only with a password: set one');
  }
  const args = [
    `--port=${port}`,
    `--bind=${LOOPBACK}`,
    `--dir=${directory}`,
    // No persistence.
    '--dbfilename=',
    // Keep all keys of a hash tag on one thread, as the service requires.
    '--cluster_mode=emulated',
    '--proactor_threads=2',
    // No version check, and no HTTP console on the port.
    '--version_check=false',
    '--primary_port_http_enabled=false',
    '--logtostderr',
  ];
  if (password !== undefined) args.push(`--requirepass=${password}`);
  if (aclFile !== undefined) args.push(`--aclfile=${aclFile}`);
  if (certificates) {
    args.push('--tls', `--tls_cert_file=${certificates.certFile}`, `--tls_key_file=${certificates.keyFile}`);
  }
  return [...args, ...spec.args];
}

/** An ACL file replaces all other settings of users, so it includes the default user. */
async function writeUsers({ directory, password, users }: ServerSpec): Promise<string | undefined> {
  if (Object.keys(users).length === 0) return undefined;
  const all = { default: `on ${password === undefined ? 'nopass' : `>${password}`} ~* &* +@all`, ...users };
  const file = join(directory, 'users.acl');
  const lines = Object.entries(all).map(([name, rules]) => `user ${name} ${rules}\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
  return file;
}
