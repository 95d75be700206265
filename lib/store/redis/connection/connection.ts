import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
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
  isSocketTimeout,
  isTransient,
  isUnknownDatabase,
} from './errors.ts';
import type { ConnectionProfile } from './profiles.ts';

/** Pause before an operation is retried. */
const RETRY_PAUSE_MS = 25;

/** A process that had no reply for this long may have been frozen, in milliseconds. */
const MIN_FREEZE_MS = 10;

/**
 * Turns of the event loop in which Node notices that a TCP connection ended during a freeze: it reads the end of the stream, shuts the
 * socket down and closes it. The first turn may be past the phase in which it reads. Over TLS it may need more; then the command is sent, and
 * waits as it does after any lost connection.
 */
const TURNS_AFTER_FREEZE = 4;

/** Minimum time between two reads of the access, which may come from a service that charges for each request. */
const ACCESS_INTERVAL_MS = 500;

interface RunOptions {
  /** By `performance.now()`. Default: the operation timeout from now. */
  deadlineMonotonicMs?: number | undefined;
  /** The name of the operation in traces. Default: that of a script. */
  command?: string;
}

/**
 * A connection to the backend, which is replaced when it is lost. It survives freezes of a Lambda function, during which the server may
 * close it with or without notice, a backend that is not reachable at the start, and a rotated password or certificate.
 *
 * ioredis reconnects by itself, with the access that it was created with. This class creates a new client when the access has changed,
 * and retries operations until their deadline.
 */
export class Connection {
  readonly profile: ConnectionProfile;
  readonly #source: AccessSource;
  readonly #log: Log;
  readonly #observer: StoreObserver;
  /** Undefined until the access has been read. */
  #client: Client | undefined;
  /** The client, once all of its servers are connected or have had `connectTimeoutMs` to connect. */
  #connectedClient: Client | undefined;
  #access: Access | undefined;
  #lastLoginEpochMs = 0;
  #isOpening = false;
  #lastAccessMonotonicMs = Number.NEGATIVE_INFINITY;
  /** The problems of this outage: each is logged once. */
  readonly #problems = new Set<string>();
  #closed = false;
  #lastLossMonotonicMs = Number.NEGATIVE_INFINITY;
  #lastReplyEpochMs = Number.NEGATIVE_INFINITY;
  /** Called when there is a connection. */
  readonly #waiters = new Set<(client: Client) => void>();

  constructor(source: AccessSource, profile: ConnectionProfile, log: Log, observer = noObserver) {
    this.profile = profile;
    this.#source = source;
    this.#log = log;
    this.#observer = observer;
    this.#open();
  }

  /**
   * Runs commands on a connected client. If they fail with a transient error, runs them again until the deadline, so they must be safe to
   * send twice.
   *
   * @throws BackendUnavailableError
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
    let serverError: unknown;
    // A write on a lost connection is answered only after its deadline (see `WriteDeadline`), so Node gets time to notice the loss first.
    if (this.profile.mayFreeze && Date.now() - this.#lastReplyEpochMs > MIN_FREEZE_MS) {
      for (let turn = 0; turn < TURNS_AFTER_FREEZE; turn++) await nextTurn();
    }
    for (;;) {
      let client: Client | undefined;
      try {
        client = this.#readyClient() ?? (await this.#waitForClient(deadlineMonotonicMs));
        if (this.#isLoginExpired()) await withDeadline(this.#logInAgain(client), deadlineMonotonicMs);
        const reply = await withDeadline(commands(client), deadlineMonotonicMs);
        this.#lastReplyEpochMs = Date.now();
        return reply;
      } catch (error) {
        // A cluster's client logs in to a node on first use. If the login is rejected, so are the commands that waited for it.
        const authFailed = error instanceof Error && isAuthError(error.message);
        if (authFailed && client === this.#client) this.#open();
        const leftMs = deadlineMonotonicMs - performance.now();
        if (this.#closed || !(authFailed || isTransient(error)) || leftMs < RETRY_PAUSE_MS) {
          // The server's last error explains more than a timeout.
          throw asBackendError(error instanceof BackendUnavailableError ? (serverError ?? error) : error);
        }
        if ((error as Error).name === 'ReplyError') serverError = error;
        // Without a connected client, the next attempt waits for a connection anyway.
        if (this.#readyClient()) await sleep(RETRY_PAUSE_MS);
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

  /** When the backend last replied. Not by a monotonic clock, which may stop while the process is frozen. */
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

  /** Reads the access until that succeeds, and creates a client with it. */
  async #open(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    try {
      while (!this.#closed) {
        const pauseMs = this.#lastAccessMonotonicMs + ACCESS_INTERVAL_MS - performance.now();
        if (pauseMs > 0) await sleep(pauseMs);
        this.#lastAccessMonotonicMs = performance.now();
        try {
          this.#access = await this.#source();
          if (!this.#closed) this.#replaceClient(this.#access);
          return;
        } catch (error) {
          this.#logProblem(`no access: ${(error as Error).message}`);
        }
      }
    } finally {
      this.#isOpening = false;
    }
  }

  #replaceClient(access: Access): void {
    const previous = this.#client;
    if (previous) this.#lastLossMonotonicMs = performance.now();
    const client = createClient(access, this.profile, (problem) => {
      if (this.#closed || this.#client !== client) return;
      this.#logProblem(problem);
      if (isAuthError(problem)) this.#open();
    });
    this.#client = client;
    this.#connectedClient = undefined;
    previous?.disconnect();
    const [host] = access.address.hosts;
    const onError = (error: Error, node = host ? hostAndPort(host) : '') => {
      const message = describeError(error, node);
      // The connector has reported the cause.
      if (this.#problems.size === 0 || !isConsequence(message)) this.#logProblem(message);
      if (this.#closed || this.#client !== client) return;
      if (isAuthError(message)) this.#open();
      // Otherwise the client would continue in database 0, which contains other entries.
      if (isUnknownDatabase(message)) client.disconnect(true);
      // The connections to the cluster's other nodes were frozen as well. A request has time for one socket timeout, not for one per
      // node.
      if (isSocketTimeout(message) && this.profile.mayFreeze && client instanceof Cluster)
        this.#replaceClient(access);
    };
    client.on('error', onError).on('node error', onError);
    const onLoss = () => {
      if (this.#client !== client) return;
      this.#lastLossMonotonicMs = performance.now();
      if (client.status !== 'ready') this.#connectedClient = undefined;
    };
    // A cluster's client emits `-node` for a connection to one of its nodes.
    client.on('close', onLoss).on('-node', onLoss);
    client.on('ready', () => {
      if (this.#lastLoginEpochMs > 0) this.#observer.reconnected();
      this.#lastLoginEpochMs = Date.now();
      if (this.#problems.size > 0) this.#log.info('backend connection restored');
      this.#problems.clear();
      this.#releaseWaiters(client);
    });
    client.on('end', () => {
      // A client that has ended never connects again.
      if (!this.#closed && this.#client === client) this.#replaceClient(access);
    });
    client.connect().catch(() => {
      // The error event has reported it, and the client retries.
    });
  }

  /** Logs the message only: errors of ioredis contain the arguments of the command. */
  #logProblem(problem: string): void {
    if (!this.#problems.has(problem)) this.#log.warn('backend connection', { error: problem });
    this.#problems.add(problem);
  }

  /** Connects the other servers of a client that is ready, and then starts the operations that wait. One server may be down. */
  async #releaseWaiters(client: Client): Promise<void> {
    await withDeadline(connectServers(client), performance.now() + this.profile.connectTimeoutMs).catch(
      () => {},
    );
    if (this.#client === client) this.#connectedClient = client;
    const ready = this.#readyClient();
    if (ready) for (const resolve of this.#waiters) resolve(ready);
  }

  #readyClient(): Client | undefined {
    return this.#connectedClient?.status === 'ready' ? this.#connectedClient : undefined;
  }

  /** Waits for the client, or one that replaces it, to be connected. */
  async #waitForClient(deadlineMonotonicMs: number): Promise<Client> {
    const { promise, resolve } = Promise.withResolvers<Client>();
    this.#waiters.add(resolve);
    try {
      return await withDeadline(promise, deadlineMonotonicMs);
    } catch {
      // All problems: the last one of a cluster's client only states that no node was reached.
      throw new BackendUnavailableError([...this.#problems].join('; ') || 'not connected');
    } finally {
      this.#waiters.delete(resolve);
    }
  }

  #isLoginExpired(): boolean {
    const lifetimeMs = this.#access?.loginLifetimeMs;
    return lifetimeMs !== undefined && Date.now() - this.#lastLoginEpochMs > lifetimeMs;
  }

  async #logInAgain(client: Client): Promise<void> {
    const { username, password } = this.#access?.login() ?? {};
    if (password === undefined) return;
    await Promise.all(serversOf(client).map((server) => server.auth(username ?? 'default', password)));
    this.#lastLoginEpochMs = Date.now();
  }
}

/** @throws BackendUnavailableError if the promise is not settled by the deadline, by `performance.now()` */
function withDeadline<T>(result: Promise<T>, deadlineMonotonicMs: number): Promise<T> {
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
