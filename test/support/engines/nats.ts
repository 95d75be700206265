import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeCertificates } from './certificates.ts';
import { findBroker } from './find.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { type EngineProcess, startProcess } from './process.ts';

export interface NatsOptions {
  /** Any free one, unless given. */
  port?: number;
  /** Takes no connection without TLS. */
  tls?: boolean;
  /** Further lines of its configuration, in its own words: who may log in, and what they may do. */
  config?: string;
}

/** A NATS server of a test's own: on loopback, in memory only, and gone at the latest when the test's process is. */
export interface NatsServer {
  /** `nats://127.0.0.1:<port>`, with `tls` `tls://…`; without a login. */
  readonly url: string;
  readonly port: number;
  /** With `tls`, the path of the authority's PEM certificate, and its text. */
  readonly caFile: string | undefined;
  readonly ca: string | undefined;
  /** All that it has logged. */
  output(): string;
  /** Freezes it: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Ends it as a power cut would. Its port stays free for `restart()`. */
  kill(): Promise<void>;
  /** Starts it again on the same port; a running one is ended first. */
  restart(): Promise<void>;
  /** Ends it and removes its directory. May be called in any state, and again. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** Starts a NATS server and waits until it takes connections. @throws Error with its own words when it does not come up */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const { tls = false, config = '' } = options;
  const { path } = await findBroker();
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'cache-nats-')));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const certificates = tls ? await writeCertificates(directory) : undefined;
    const port = options.port ?? (await freePort());
    const lines = [`listen: "${LOOPBACK}:${port}"`, config];
    if (certificates) {
      const { certFile, keyFile } = certificates;
      lines.push(`tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)} }`);
    }
    const configFile = join(directory, 'nats.conf');
    await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
    const launch = () => launchOn(path, configFile, directory, port);
    let child = await launch();
    return {
      url: `${tls ? 'tls' : 'nats'}://${LOOPBACK}:${port}`,
      port,
      caFile: certificates?.caFile,
      ca: certificates && (await readFile(certificates.caFile, 'utf8')),
      output: () => child.output(),
      pause: () => child.signal('SIGSTOP'),
      resume: () => child.signal('SIGCONT'),
      kill: () => child.kill(),
      async restart() {
        await child.kill();
        child = await launch();
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
  configFile: string,
  directory: string,
  port: number,
): Promise<EngineProcess> {
  const child = await startProcess(path, ['--config', configFile], directory);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (child.running && Date.now() < deadline) {
    if (await greets(port)) return child;
    await sleep(POLL_MS);
  }
  await child.kill();
  throw new Error(`nats-server did not come up on port ${port}:\n${child.output().slice(-2_000)}`);
}

/** Whether a NATS server answers at the port: it tells about itself before it is asked anything, be it by TLS afterwards. */
async function greets(port: number): Promise<boolean> {
  const socket = connect(port, LOOPBACK);
  try {
    const [greeting] = await once(socket, 'data');
    return String(greeting).startsWith('INFO ');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
