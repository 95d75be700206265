import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { BackendUnavailableError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { type Client, createClient } from './client.ts';
import { asBackendError, isPassing } from './errors.ts';
import type { Preset } from './preset.ts';
import type { BackendAddress } from './url.ts';

/** Before a second try at an operation whose first one met a server that could not serve, in milliseconds. */
const RETRY_PAUSE_MS = 25;

/**
 * The process's one connection to the backend. It survives what Lambda does to connections: a freeze during which the other
 * end hangs up, silently or not, and a backend that was not there when the process started.
 */
export class Connection {
  readonly #address: BackendAddress;
  readonly #preset: Preset;
  readonly #log: Log;
  #client: Client;
  #closed = false;

  constructor(address: BackendAddress, preset: Preset, log: Log) {
    this.#address = address;
    this.#preset = preset;
    this.#log = log;
    this.#client = this.#create();
  }

  /**
   * Runs commands on a connected client, and runs them again while there is time if the connection is lost meanwhile. They
   * must be safe to send twice.
   *
   * @throws BackendUnavailableError within the preset's operation timeout
   */
  async run<T>(commands: (client: Client) => Promise<T>): Promise<T> {
    const end = performance.now() + this.#preset.operationTimeout;
    for (;;) {
      try {
        const client = this.#isReady() ? this.#client : await this.#ready(end);
        return await bounded(commands(client), end);
      } catch (error) {
        if (this.#closed || !isPassing(error) || end - performance.now() < RETRY_PAUSE_MS) {
          throw asBackendError(error);
        }
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  /** One round trip to every server that holds data. @throws BackendUnavailableError */
  async ping(): Promise<void> {
    await this.run(async (client) => {
      await Promise.all(serversOf(client).map((server) => server.ping()));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client.disconnect();
  }

  #create(): Client {
    const client = createClient(this.#address, this.#preset);
    let told = '';
    client.on('error', ({ message }: Error) => {
      // Once, not at every attempt; and the message alone, since errors of the client carry the command's arguments.
      if (message !== told) this.#log.warn('backend connection', { error: message });
      told = message;
    });
    client.on('ready', () => {
      if (told) this.#log.info('backend connection restored');
      told = '';
    });
    client.on('end', () => {
      // A client that has ended never connects again.
      if (!this.#closed && this.#client === client) this.#client = this.#create();
    });
    client.connect().catch(() => {
      // Told by the error event, and tried again by the client itself.
    });
    return client;
  }

  #isReady(): boolean {
    return this.#client.status === 'ready';
  }

  async #ready(end: number): Promise<Client> {
    while (!this.#isReady()) {
      if (this.#closed || performance.now() >= end) throw new BackendUnavailableError('not connected');
      // Polled, not awaited as an event, since the client itself may be replaced meanwhile.
      await sleep(5);
    }
    return this.#client;
  }
}

/**
 * Gives up waiting at `end` (by `performance.now()`). The client's own command timeout is shorter, but does not count while a
 * cluster is being looked for.
 */
function bounded<T>(result: Promise<T>, end: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new BackendUnavailableError('operation timed out'));
    const timer = setTimeout(giveUp, Math.max(0, end - performance.now()));
    result.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function serversOf(client: Client): Redis[] {
  return client instanceof Redis ? [client] : client.nodes('master');
}
