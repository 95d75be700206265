/**
 * A process that holds as many connected stores as it is told to, each as a function instance has it:
 * `instances.ts URL COUNT MILLISECONDS`. It says when it is ready, opens all of them within that time when it is told to, asks each for something all the time, and reports
 * what came of it when it is told to stop.
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

/** One request of an instance, on the clock of `now()`. */
export interface Asked {
  instance: number;
  began: number;
  ended: number;
  /** Undefined: it succeeded. */
  failure: string | undefined;
}

export interface Report {
  asked: Asked[];
  history: HistoryEvent[];
  /** When each attempt to connect was made. */
  attempts: number[];
  /** How long the machine kept the process waiting at worst, in milliseconds. */
  lagMs: number;
}

/** Between two requests of an instance, in milliseconds, at most: a thousand share the processors of one machine. */
const PAUSE_MS = 3000;
const TTL_SECONDS = 300;

const [url = '', count = '', startWithinMs = ''] = process.argv.slice(2);
const report: Report = { asked: [], history: [], attempts: [], lagMs: 0 };
const lag = watchLag();
let running = true;
let versions = process.pid * 1e6;

async function live(instance: number): Promise<void> {
  await sleep(Math.random() * Number(startWithinMs));
  const config = readConfig({ DRAGONFLY_URL: url, AWS_LAMBDA_FUNCTION_NAME: 'instance', LOG_LEVEL: 'ERROR' });
  const store = await openStore(config, createLog(config));
  const tenant = `storm-${process.pid}`;
  const key = `instance:${instance}`;
  const ask = async (work: () => Promise<unknown>) => {
    const asked: Asked = { instance, began: now(), ended: 0, failure: undefined };
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

let living: Promise<void>[] = [];
process.on('message', async (order: Order) => {
  if (order === 'open') living = Array.from({ length: Number(count) }, (_, instance) => live(instance));
  else {
    running = false;
    await Promise.all(living);
    report.lagMs = lag();
    process.send?.(report, () => process.exit());
  }
});
subscribe('net.client.socket', () => report.attempts.push(now()));
// Without anybody to report to there is nothing to live for.
process.on('disconnect', () => process.exit());
process.send?.('ready');
