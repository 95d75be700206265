import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeCertificates } from './certificates.ts';
import { findBroker } from './find.ts';
import { LOOPBACK, onFreePort, PortTakenError } from './ports.ts';
import { type EngineProcess, startProcess } from './process.ts';

export interface NatsOptions {
  /** Default: any free port. */
  port?: number;
  /** Whether the server requires TLS. */
  tls?: boolean;
  /** Additional lines of its configuration file, such as users and permissions. */
  config?: string;
}

/** A NATS server for one test: on loopback, in memory only. It ends at the latest with the test's process. */
export interface NatsServer {
  /** `nats://127.0.0.1:<port>`, or `tls://…` with `tls`. Without credentials. */
  readonly url: string;
  readonly port: number;
  /** With `tls`: the path of the authority's PEM certificate, and its text. */
  readonly caFile: string | undefined;
  readonly ca: string | undefined;
  /** Its log so far. */
  output(): string;
  /** Pauses the process: connections stay open, but it does not respond. */
  pause(): void;
  resume(): void;
  /** Kills the process. */
  kill(): Promise<void>;
  /** Starts it again on the same port. A running process is killed first. */
  restart(): Promise<void>;
  /** Stops it and removes its directory. May be called in any state and repeatedly. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const GREETING_TIMEOUT_MS = 5_000;
const POLL_MS = 20;

/** Starts a NATS server and waits until it accepts connections. @throws Error with its output if it does not start */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const { tls = false, config = '' } = options;
  const { path } = await findBroker();
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'cache-nats-')));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const certificates = tls ? await writeCertificates(directory) : undefined;
    const ca = certificates && (await readFile(certificates.caFile, 'utf8'));
    const name = basename(directory);
    const lines = [`server_name: "${name}"`, config];
    if (certificates) {
      const { certFile, keyFile } = certificates;
      lines.push(`tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)} }`);
    }
    const configFile = join(directory, 'nats.conf');
    await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
    const launch = (port: number) => launchOn(path, ['--config', configFile], { name, directory, port });
    const start = async (port: number) => ({ port, child: await launch(port) });
    let { port, child } = await (options.port === undefined ? onFreePort(start) : start(options.port));
    return {
      url: `${tls ? 'tls' : 'nats'}://${LOOPBACK}:${port}`,
      port,
      caFile: certificates?.caFile,
      ca,
      output: () => child.output(),
      pause: () => child.signal('SIGSTOP'),
      resume: () => child.signal('SIGCONT'),
      kill: () => child.kill(),
      async restart() {
        await child.kill();
        child = await launch(port);
      },
      async stop() {
        await child.kill();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function launchOn(
  path: string,
  args: string[],
  { name, directory, port }: { name: string; directory: string; port: number },
): Promise<EngineProcess> {
  const child = await startProcess(path, [...args, '--addr', LOOPBACK, '--port', String(port)], directory);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (child.running && Date.now() < deadline) {
    if (await greets(port, name)) return child;
    await sleep(POLL_MS);
  }
  await child.kill();
  const message = `nats-server did not start on port ${port}:\n${child.output().slice(-2_000)}`;
  throw /address already in use/i.test(message) ? new PortTakenError(message) : new Error(message);
}

/**
 * Whether the NATS server with this name listens on the port. A NATS server sends its name in plain text at the start of each
 * connection, even with TLS.
 */
async function greets(port: number, name: string): Promise<boolean> {
  const socket = connect(port, LOOPBACK);
  try {
    const [greeting] = await once(socket, 'data', { signal: AbortSignal.timeout(GREETING_TIMEOUT_MS) });
    return String(greeting).startsWith('INFO ') && String(greeting).includes(`"server_name":"${name}"`);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
