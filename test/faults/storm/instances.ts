/**
 * A process that simulates COUNT function instances, each with its own connected store: `instances.ts URL COUNT MILLISECONDS`.
 * It sends `ready` to its parent. On `open` it opens all stores within the given time and sends requests on each. On `stop` it
 * sends its report and exits.
 */
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../../lib/config/config.ts';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import { createLog } from '../../../lib/log/log.ts';
import { openStore } from '../../../lib/store/open.ts';
import { now } from '../harness/clock.ts';
import type { HistoryEvent } from '../harness/history.ts';
import { watchLag } from '../harness/lag.ts';
import { stampedValue } from '../harness/value.ts';

export type Order = 'open' | 'stop';

/** One request of an instance. Times are those of `now()`. */
export interface InstanceRequest {
  instance: number;
  began: number;
  ended: number;
  /** Undefined if it succeeded. */
  failure: string | undefined;
}

export interface Report {
  asked: InstanceRequest[];
  history: HistoryEvent[];
  /** Times of all connection attempts. */
  attempts: number[];
  /** Longest time in which the process did not get the processor, in milliseconds. */
  lagMs: number;
}

/** Maximum pause between two requests of an instance, in milliseconds. A thousand instances share one machine. */
const PAUSE_MS = 3000;
const TTL_SECONDS = 300;

const [url = '', count = '', startWithinMs = ''] = process.argv.slice(2);
const report: Report = { asked: [], history: [], attempts: [], lagMs: 0 };
const lag = watchLag();
let running = true;
let versions = process.pid * 1e6;

async function runInstance(instance: number): Promise<void> {
  await sleep(Math.random() * Number(startWithinMs));
  const config = readConfig({ DRAGONFLY_URL: url, AWS_LAMBDA_FUNCTION_NAME: 'instance', LOG_LEVEL: 'ERROR' });
  const store = await openStore(config, createLog(config));
  const tenant = `storm-${process.pid}`;
  const key = `instance:${instance}`;
  const ask = async (work: () => Promise<unknown>) => {
    const asked: InstanceRequest = { instance, began: now(), ended: 0, failure: undefined };
    try {
      await work();
    } catch (error) {
      asked.failure = error instanceof BackendUnavailableError ? error.code : String(error);
    }
    asked.ended = now();
    report.asked.push(asked);
    return asked;
  };
  while (running) {
    const version = ++versions;
    const value = stampedValue({ tenant, key, version });
    const set = await ask(() => store.set(tenant, key, value, TTL_SECONDS));
    const { began, ended, failure } = set;
    const done = failure === undefined;
    report.history.push({ kind: 'set', tenant, key, version, ttlSeconds: TTL_SECONDS, began, ended, done });
    let read: string | undefined;
    const get = await ask(async () => {
      read = (await store.get(tenant, key))?.value;
    });
    if (get.failure === undefined) {
      report.history.push({ kind: 'read', tenant, key, began: get.began, ended: get.ended, value: read });
    }
    await sleep(Math.random() * PAUSE_MS);
  }
  await store.close();
}

let instances: Promise<void>[] = [];
process.on('message', async (order: Order) => {
  if (order === 'open')
    instances = Array.from({ length: Number(count) }, (_, instance) => runInstance(instance));
  else {
    running = false;
    await Promise.all(instances);
    report.lagMs = lag();
    process.send?.(report, () => process.exit());
  }
});
subscribe('net.client.socket', () => report.attempts.push(now()));
// Exit with the parent process.
process.on('disconnect', () => process.exit());
process.send?.('ready');
