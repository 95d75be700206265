import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeCertificates } from './certificates.ts';
import { commandLine, type ServerSpec } from './command-line.ts';
import { findEngine, type Program } from './find.ts';
import { infoFields, masters, withRawClient } from './inspect.ts';
import { LOOPBACK, onFreePort, PortTakenError } from './ports.ts';
import { type EngineProcess, startProcess } from './process.ts';

export interface ServerOptions {
  /** Default: the result of {@link findEngine}. */
  engine?: Program;
  /** Additional arguments of the engine, after those of the harness. */
  args?: readonly string[];
  /** Whether the server requires TLS. Dragonfly also needs a password then. */
  tls?: boolean;
  /** Password of the default user, without white space. Default: none. */
  password?: string;
  /** Additional users, name → ACL rules: `{ cache: 'on >secret ~* &* +@all' }`. */
  users?: Record<string, string>;
}

/** A server for one test: on loopback, in memory only. It ends at the latest with the test's process. */
export interface Server {
  readonly engine: Program;
  /** In the format of `DRAGONFLY_URL`, with the password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Changes after `restart()`. */
  readonly pid: number;
  /** With `tls`: the path of the authority's PEM certificate, for NODE_EXTRA_CA_CERTS of a client process. */
  readonly caFile: string | undefined;
  /** The same certificate as text, for a client in this process. */
  readonly ca: string | undefined;
  /** Pauses the process: connections stay open and the system accepts new ones, but the server does not respond. */
  pause(): void;
  /** Ends a `pause()`. The server then responds to the commands that arrived meanwhile. */
  resume(): void;
  /** Kills the process; its data is lost. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. A running process is killed first. */
  restart(): Promise<void>;
  /** Stops it and removes its directory. May be called in any state and repeatedly. */
  stop(): Promise<void>;
}

/** Timeout until the first PING succeeds, in milliseconds. An idle machine needs 100 ms, a busy one more. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/**
 * Starts a server and waits until it responds.
 *
 * @throws Error with the engine's output if it does not start
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const engine = options.engine ?? (await findEngine());
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'cache-engine-')));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const certificates = options.tls ? await writeCertificates(directory) : undefined;
    const ca = certificates && (await readFile(certificates.caFile, 'utf8'));
    const { password, users = {}, args = [] } = options;
    const urlOn = (port: number) =>
      `${ca ? 'rediss' : 'redis'}://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${LOOPBACK}:${port}`;

    const launch = (port: number) =>
      launchOn(engine, { port, directory, password, users, certificates, args }, { url: urlOn(port), ca });
    let { port, child } = await onFreePort(async (port) => ({ port, child: await launch(port) }));

    return {
      engine,
      url: urlOn(port),
      host: LOOPBACK,
      port,
      caFile: certificates?.caFile,
      ca,
      get pid() {
        return child.pid;
      },
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
  engine: Program,
  spec: ServerSpec,
  { url, ca }: { url: string; ca: string | undefined },
): Promise<EngineProcess> {
  const child = await startProcess(engine.path, await commandLine(engine.name, spec), spec.directory);
  const deadline = Date.now() + START_TIMEOUT_MS;
  let problem: unknown;
  while (child.running && Date.now() < deadline) {
    try {
      await assertResponds(child.pid, url, ca);
      return child;
    } catch (error) {
      problem = error;
      await sleep(POLL_MS);
    }
  }
  await child.kill();
  const message = `${engine.name} did not start on port ${spec.port}:\n${child.output().slice(-2_000)}`;
  if (/address already in use/i.test(message)) throw new PortTakenError(message);
  throw new Error(message, { cause: problem });
}

/** Throws unless a server responds at the URL and is this process. Another process may have taken the port. */
async function assertResponds(pid: number, url: string, ca: string | undefined): Promise<void> {
  await withRawClient(
    url,
    async (client) => {
      const [node] = masters(client);
      if (!node) throw new Error('No node');
      await node.ping();
      // Older versions of Dragonfly do not report their process id.
      const { process_id: actual } = await infoFields(node, 'server');
      if (actual !== undefined && Number(actual) !== pid) throw new Error(`Process ${actual} has the port`);
    },
    { ca },
  );
}
