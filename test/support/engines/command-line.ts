import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';
import type { ProgramName } from './find.ts';
import { LOOPBACK } from './ports.ts';

/** What a server is to be, in no engine's words. */
export interface ServerSpec {
  port: number;
  directory: string;
  password: string | undefined;
  /** Further users: name → rules, in the ACL's language. */
  users: Record<string, string>;
  certificates: CertificateFiles | undefined;
  /** In the engine's own words, after all others. */
  args: readonly string[];
}

/** Writes the files that the server reads at its start, and gives the arguments to start it with. */
export async function commandLine(engine: ProgramName, spec: ServerSpec): Promise<string[]> {
  const aclFile = await writeUsers(spec);
  return engine === 'dragonfly' ? dragonfly(spec, aclFile) : redis(spec, aclFile);
}

/** Valkey is a fork of Redis and takes all of this as Redis does. */
async function redis(spec: ServerSpec, aclFile: string | undefined): Promise<string[]> {
  const { port, directory, password, certificates } = spec;
  const settings: Record<string, string> = {
    bind: LOOPBACK,
    dir: directory,
    daemonize: 'no',
    // No persistence.
    save: '',
    appendonly: 'no',
    // A replica is fed at once, without the wait for others that may come along.
    'repl-diskless-sync-delay': '0',
    // Nodes show a replica to clients once it has been sent something, which is the first of these pings at the latest.
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
      // Between nodes, where there are several.
      'tls-cluster': 'yes',
      'tls-replication': 'yes',
    });
  } else {
    settings.port = String(port);
  }
  const configFile = join(directory, 'engine.conf');
  // The quoting of Redis's files is JSON's, as far as ASCII goes.
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(value)}\n`);
  await writeFile(configFile, lines.join(''), { mode: 0o600 });
  return [configFile, ...spec.args];
}

function dragonfly(spec: ServerSpec, aclFile: string | undefined): string[] {
  const { port, directory, password, certificates } = spec;
  if (certificates && password === undefined) {
    throw new Error('Dragonfly speaks TLS only where a password is set: give the server one');
  }
  const args = [
    `--port=${port}`,
    `--bind=${LOOPBACK}`,
    `--dir=${directory}`,
    // No persistence.
    '--dbfilename=',
    // All keys of one hash tag on one thread: how the service wants it to be run.
    '--cluster_mode=emulated',
    '--proactor_threads=2',
    // Nothing that calls home, and nothing but the protocol on the port.
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

/** A file of users replaces all other settings about users, so the default one stands in it too. */
async function writeUsers({ directory, password, users }: ServerSpec): Promise<string | undefined> {
  if (Object.keys(users).length === 0) return undefined;
  const all = { default: `on ${password === undefined ? 'nopass' : `>${password}`} ~* &* +@all`, ...users };
  const file = join(directory, 'users.acl');
  const lines = Object.entries(all).map(([name, rules]) => `user ${name} ${rules}\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
  return file;
}
