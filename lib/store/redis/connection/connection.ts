import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { hostAndPort } from '../../../config/backend-url.ts';
import { BackendUnavailableError } from '../../../errors.ts';
import type { Log } from '../../../log/log.ts';
import { backendTraces } from '../../../tracing-channels.ts';
import { noObserver, type StoreObserver } from '../../store.ts';
import { allServersOf, type Client, connectServers, createClient, serversOf } from './client.ts';
import type { Access, AccessSource } from './credentials.ts';
import {
  asBackendError,
  describeError,
  isAuthError,
  isConsequence,
  isOtherDatabase,
  isSocketTimeout,
  isTransient,
} from './errors.ts';
import type { ConnectionProfile } from './profiles.ts';

/** Before a second try at an operation whose first one met a server that could not serve, in milliseconds. */
const RETRY_PAUSE_MS = 25;

/** Between two looks at where the access comes from, in milliseconds: it may be a service that counts requests. */
const ACCESS_PAUSE_MS = 500;

export interface RunOptions {
  /** When to give up, by `performance.now()`. Default: the profile's operation timeout from now. */
  deadlineMonotonicMs?: number | undefined;
  /** What they are, for those who watch: a script, unless said otherwise. */
  command?: string;
}

/**
 * The process's one connection to the backend. It survives what Lambda does to connections: a freeze during which the other
 * end hangs up, silently or not, a backend that was not there when the process started, and a password that is changed.
 */
export class Connection {
  readonly profile: ConnectionProfile;
  readonly #source: AccessSource;
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
  #lastLossMonotonicMs = Number.NEGATIVE_INFINITY;
  #lastReplyEpochMs = Number.NEGATIVE_INFINITY;
  /** Who waits for a connection: called when there is one. */
  readonly #waiting = new Set<() => void>();

  constructor(source: AccessSource, profile: ConnectionProfile, log: Log, observer = noObserver) {
    this.profile = profile;
    this.#source = source;
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
    {
      deadlineMonotonicMs = performance.now() + this.profile.operationTimeoutMs,
      command = 'EVALSHA',
    }: RunOptions = {},
  ): Promise<T> {
    const startedMonotonicMs = performance.now();
    try {
      if (!backendTraces.hasSubscribers) return await this.#run(commands, deadlineMonotonicMs);
      const server = () => this.#access?.address.hosts[0];
      return await backendTraces.tracePromise(() => this.#run(commands, deadlineMonotonicMs), {
        command,
        server,
      });
    } finally {
      this.#observer.backendCalled(performance.now() - startedMonotonicMs);
    }
  }

  async #run<T>(commands: (client: Client) => Promise<T>, deadlineMonotonicMs: number): Promise<T> {
    let trouble: unknown;
    for (;;) {
      let client: Client | undefined;
      try {
        client = this.#readyClient() ?? (await this.#waitForClient(deadlineMonotonicMs));
        if (this.#loginIsOld()) await bounded(this.#logInAgain(client), deadlineMonotonicMs);
        const answer = await bounded(commands(client), deadlineMonotonicMs);
        this.#lastReplyEpochMs = Date.now();
        return answer;
      } catch (error) {
        // A cluster's client logs in to a node on first use, and rejects the commands that waited for it if the login is refused.
        const authFailed = error instanceof Error && isAuthError(error.message);
        if (authFailed && client === this.#client) this.#open();
        const leftMs = deadlineMonotonicMs - performance.now();
        if (this.#closed || !(authFailed || isTransient(error)) || leftMs < RETRY_PAUSE_MS) {
          // The server's own error explains more than that time ran out.
          throw asBackendError(error instanceof BackendUnavailableError ? (trouble ?? error) : error);
        }
        if ((error as Error).name === 'ReplyError') trouble = error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  /**
   * When a connection was last lost or closed, by `performance.now()`. A command that was sent on it may still reach the server, even
   * after it was sent again on another connection: a proxy or firewall may end a connection and deliver its data later.
   */
  get lastLossMonotonicMs(): number {
    return this.#lastLossMonotonicMs;
  }

  /** When the backend last replied, in epoch milliseconds: a monotonic clock may stand still while the process is frozen. */
  get lastReplyEpochMs(): number {
    return this.#lastReplyEpochMs;
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
    if (previous) this.#lastLossMonotonicMs = performance.now();
    const client = createClient(access, this.profile, (problem) => {
      if (this.#closed || this.#client !== client) return;
      this.#tell(problem);
      if (isAuthError(problem)) this.#open();
    });
    this.#client = client;
    this.#connected = undefined;
    previous?.disconnect();
    const [host] = access.address.hosts;
    const heard = (error: Error, node = host ? hostAndPort(host) : '') => {
      const message = describeError(error, node);
      // The reason is in what the connector has reported.
      if (this.#told.size === 0 || !isConsequence(message)) this.#tell(message);
      if (this.#closed || this.#client !== client) return;
      if (isAuthError(message)) this.#open();
      // The client would go on in database 0, and find other entries there.
      if (isOtherDatabase(message)) client.disconnect(true);
      // The connections to a cluster's other nodes were frozen as long as this one. Found out one by one, each would cost as
      // much time again, and a request has time for one.
      if (isSocketTimeout(message) && this.profile.mayFreeze && client instanceof Cluster)
        this.#replaceClient(access);
    };
    client.on('error', heard).on('node error', heard);
    const lost = () => {
      if (this.#client !== client) return;
      this.#lastLossMonotonicMs = performance.now();
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
    await bounded(connectServers(client), performance.now() + this.profile.connectTimeoutMs).catch(() => {});
    if (this.#client === client) this.#connected = client;
    for (const look of this.#waiting) look();
  }

  #readyClient(): Client | undefined {
    return this.#connected?.status === 'ready' ? this.#connected : undefined;
  }

  /** Waits for a client that is connected, be it this one or one that takes its place. */
  #waitForClient(deadlineMonotonicMs: number): Promise<Client> {
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
      const timer = setTimeout(giveUp, Math.max(0, deadlineMonotonicMs - performance.now()));
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

/** @throws BackendUnavailableError when `result` is not settled by the deadline, which is by `performance.now()` */
function bounded<T>(result: Promise<T>, deadlineMonotonicMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(timedOut, Math.max(0, deadlineMonotonicMs - performance.now()), reject);
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
