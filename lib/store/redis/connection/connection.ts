import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { BackendUnavailableError } from '../../../errors.ts';
import type { Log } from '../../../log/log.ts';
import { backendTraces } from '../../../observability/tracing-channels.ts';
import { noObserver, type StoreObserver } from '../../store.ts';
import { allServersOf, type Client, connectServers, createClient, serversOf } from './client.ts';
import type { Access, AccessSource } from './credentials.ts';
import { asBackendError, isEstranged, isOtherDatabase, isPassing, isSilence } from './errors.ts';
import type { Preset } from './profiles.ts';

/** Before a second try at an operation whose first one met a server that could not serve, in milliseconds. */
const RETRY_PAUSE_MS = 25;

/** Between two looks at where the access comes from, in milliseconds: it may be a service that counts requests. */
const ACCESS_PAUSE_MS = 500;

export interface RunOptions {
  /** When to give up, by `performance.now()`; the preset's operation timeout from now, unless given. */
  end?: number | undefined;
  /** What they are, for those who watch: a script, unless said otherwise. */
  command?: string;
}

/**
 * The process's one connection to the backend. It survives what Lambda does to connections: a freeze during which the other
 * end hangs up, silently or not, a backend that was not there when the process started, and a password that is changed.
 */
export class Connection {
  readonly #source: AccessSource;
  readonly #preset: Preset;
  readonly #log: Log;
  readonly #observer: StoreObserver;
  /** Undefined until the access is known. */
  #client: Client | undefined;
  /** The client, while all its servers are connected or had their time to be. */
  #connected: Client | undefined;
  #access: Access | undefined;
  #loggedInAt = 0;
  #opening = false;
  #openedAt = Number.NEGATIVE_INFINITY;
  /** The troubles since there was a connection, so that each is told once and not at every attempt. */
  readonly #told = new Set<string>();
  #closed = false;
  #gaveUpAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  /** Who waits for a connection: called when there is one. */
  readonly #waiting = new Set<() => void>();

  constructor(source: AccessSource, preset: Preset, log: Log, observer = noObserver) {
    this.#source = source;
    this.#preset = preset;
    this.#log = log;
    this.#observer = observer;
    this.#open();
  }

  /**
   * Runs commands on a connected client, and runs them again while there is time if the connection is lost meanwhile. They
   * must be safe to send twice.
   *
   * @throws BackendUnavailableError at the end
   */
  async run<T>(
    commands: (client: Client) => Promise<T>,
    { end, command = 'EVALSHA' }: RunOptions = {},
  ): Promise<T> {
    const startedMonotonicMs = performance.now();
    const last = end ?? startedMonotonicMs + this.#preset.operationTimeout;
    try {
      if (!backendTraces.hasSubscribers) return await this.#run(commands, last);
      const server = () => this.#access?.address.hosts[0];
      return await backendTraces.tracePromise(() => this.#run(commands, last), { command, server });
    } finally {
      this.#observer.backendCalled(performance.now() - startedMonotonicMs);
    }
  }

  async #run<T>(commands: (client: Client) => Promise<T>, end: number): Promise<T> {
    let trouble: unknown;
    for (;;) {
      let client: Client | undefined;
      try {
        client = this.#readyClient() ?? (await this.#waitForClient(end));
        if (this.#loginIsOld()) await bounded(this.#logInAgain(client), end);
        const answer = await bounded(commands(client), end);
        this.#heardAt = Date.now();
        return answer;
      } catch (error) {
        // A node of a cluster is logged in to on first use, and hands a refusal to the commands that waited for it.
        const estranged = error instanceof Error && isEstranged(error.message);
        if (estranged && client === this.#client) this.#open();
        if (this.#closed || !(estranged || isPassing(error)) || end - performance.now() < RETRY_PAUSE_MS) {
          // What the server has said tells more than that time ran out.
          throw asBackendError(error instanceof BackendUnavailableError ? (trouble ?? error) : error);
        }
        if ((error as Error).name === 'ReplyError') trouble = error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  /**
   * When a connection was last lost or given up, by `performance.now()`. What had been sent on it may still arrive, however often
   * it was sent again on another one: what lies between may end a connection and deliver later what it had taken.
   */
  get gaveUpAt(): number {
    return this.#gaveUpAt;
  }

  /** When something was last answered, in epoch milliseconds, which go on while the process is frozen. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** One round trip to every server that holds data. @throws BackendUnavailableError */
  async ping(): Promise<void> {
    await this.run(
      async (client) => {
        await Promise.all(allServersOf(client).map((server) => server.ping()));
      },
      { command: 'PING' },
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client?.disconnect();
  }

  /** Finds out how to get in, for as long as it takes, and makes a client that does. */
  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      while (!this.#closed) {
        const pause = this.#openedAt + ACCESS_PAUSE_MS - performance.now();
        if (pause > 0) await sleep(pause);
        this.#openedAt = performance.now();
        try {
          this.#access = await this.#source();
          if (!this.#closed) this.#replaceClient(this.#access);
          return;
        } catch (error) {
          this.#tell(`no access: ${(error as Error).message}`);
        }
      }
    } finally {
      this.#opening = false;
    }
  }

  #replaceClient(access: Access): void {
    const previous = this.#client;
    if (previous) this.#gaveUpAt = performance.now();
    const client = createClient(access, this.#preset);
    this.#client = client;
    this.#connected = undefined;
    previous?.disconnect();
    const heard = ({ message }: Error) => {
      this.#tell(message);
      if (this.#closed || this.#client !== client) return;
      if (isEstranged(message)) this.#open();
      // The client would go on in database 0, and find other entries there.
      if (isOtherDatabase(message)) client.disconnect(true);
      // The connections to a cluster's other nodes were frozen as long as this one. Found out one by one, each would cost as
      // much time again, and a request has time for one.
      if (isSilence(message) && this.#preset.frozen && client instanceof Cluster) this.#replaceClient(access);
    };
    client.on('error', heard).on('node error', heard);
    const lost = () => {
      if (this.#client !== client) return;
      this.#gaveUpAt = performance.now();
      if (client.status !== 'ready') this.#connected = undefined;
    };
    // A cluster's client tells by the latter of the connections to its nodes.
    client.on('close', lost).on('-node', lost);
    client.on('ready', () => {
      if (this.#loggedInAt > 0) this.#observer.reconnected();
      this.#loggedInAt = Date.now();
      if (this.#told.size > 0) this.#log.info('backend connection restored');
      this.#told.clear();
      this.#letGo(client);
    });
    client.on('end', () => {
      // A client that has ended never connects again.
      if (!this.#closed && this.#client === client) this.#replaceClient(access);
    });
    client.connect().catch(() => {
      // Told by the error event, and tried again by the client itself.
    });
  }

  /** The message alone: errors of the client carry the command's arguments with them. */
  #tell(trouble: string): void {
    if (!this.#told.has(trouble)) this.#log.warn('backend connection', { error: trouble });
    this.#told.add(trouble);
  }

  /** Lets commands go once the other servers of a client that is ready are connected, too: not for long, one may be gone. */
  async #letGo(client: Client): Promise<void> {
    await bounded(connectServers(client), performance.now() + this.#preset.connectTimeout).catch(() => {});
    if (this.#client === client) this.#connected = client;
    for (const look of this.#waiting) look();
  }

  #readyClient(): Client | undefined {
    return this.#connected?.status === 'ready' ? this.#connected : undefined;
  }

  /** Waits for a client that is connected, be it this one or one that takes its place. */
  #waitForClient(end: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const client = this.#readyClient();
        if (!client) return;
        stop();
        resolve(client);
      };
      const giveUp = () => {
        stop();
        // All of them: a cluster's client says last, and says only, that it has met no node.
        reject(new BackendUnavailableError([...this.#told].join('; ') || 'not connected'));
      };
      const timer = setTimeout(giveUp, Math.max(0, end - performance.now()));
      const stop = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  #loginIsOld(): boolean {
    const lifetime = this.#access?.loginLifetime;
    return lifetime !== undefined && Date.now() - this.#loggedInAt > lifetime;
  }

  async #logInAgain(client: Client): Promise<void> {
    const { username, password } = this.#access?.login() ?? {};
    if (password === undefined) return;
    await Promise.all(serversOf(client).map((server) => server.auth(username ?? 'default', password)));
    this.#loggedInAt = Date.now();
  }
}

/** Gives up waiting at `end` (by `performance.now()`). */
function bounded<T>(result: Promise<T>, end: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(timedOut, Math.max(0, end - performance.now()), reject);
    result.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

function timedOut(reject: (error: Error) => void): void {
  reject(new BackendUnavailableError('operation timed out'));
}
