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
  /** What {@link findEngine} finds, unless given. */
  engine?: Program;
  /** Further arguments in the engine's own words, after the harness's own. */
  args?: readonly string[];
  /** Speaks TLS and nothing else. Dragonfly does so only with a password. */
  tls?: boolean;
  /** Of the default user; has no white space. None: anybody may do anything. */
  password?: string;
  /** Further users, name → rules of the ACL: `{ cache: 'on >secret ~* &* +@all' }`. */
  users?: Record<string, string>;
}

/** A server of a test's own: on loopback, in memory only, and gone at the latest when the test's process is. */
export interface Server {
  readonly engine: Program;
  /** In the form of `DRAGONFLY_URL`, with the password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Another one after `restart()`. */
  readonly pid: number;
  /** With `tls`, the path of the authority's PEM certificate: a client gets it as NODE_EXTRA_CA_CERTS. */
  readonly caFile: string | undefined;
  /** The same as text, for a client in this process. */
  readonly ca: string | undefined;
  /** Freezes it: connections stay open, the system goes on accepting new ones, and nothing is answered. */
  pause(): void;
  /** Ends a `pause()`; what arrived meanwhile is answered now. */
  resume(): void;
  /** Ends it as a power cut would, all data with it. Its port stays free for `restart()`. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port; a running one is ended first. */
  restart(): Promise<void>;
  /** Ends it and removes its directory. May be called in any state, and again. */
  stop(): Promise<void>;
}

/** How long an engine may take to answer its first PING. A loaded machine needs some of this, a sound one 0.1 s. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/**
 * Starts a server and waits until it answers.
 *
 * @throws Error with the engine's own words when it does not come up
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
      await mustAnswer(child.pid, url, ca);
      return child;
    } catch (error) {
      problem = error;
      await sleep(POLL_MS);
    }
  }
  await child.kill();
  const words = `${engine.name} did not come up on port ${spec.port}:\n${child.output().slice(-2_000)}`;
  if (/address already in use/i.test(words)) throw new PortTakenError(words);
  throw new Error(words, { cause: problem });
}

/** Throws unless the process answers at the URL, and not another one that happens to sit there. */
async function mustAnswer(pid: number, url: string, ca: string | undefined): Promise<void> {
  await withRawClient(
    url,
    async (client) => {
      const [node] = masters(client);
      if (!node) throw new Error('No node');
      await node.ping();
      // Older versions of Dragonfly do not tell.
      const { process_id: told } = await infoFields(node, 'server');
      if (told !== undefined && Number(told) !== pid) throw new Error(`Process ${told} sits at the port`);
    },
    { ca },
  );
}
