import { setTimeout as sleep } from 'node:timers/promises';
import { startFunction } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { functionCaller } from '../harness/caller.ts';
import { now } from '../harness/clock.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Figures } from '../harness/figures.ts';
import { Load } from '../harness/load.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import { eventsAgain, faultList, type ProxiedBroker, proxiedBroker } from './broker.ts';

/** The local server under load while its broker has each fault in turn. No request may fail or slow down. */
async function server({ pick, log }: Run): Promise<Figures> {
  const backend = await startServer();
  const broker = await proxiedBroker();
  try {
    const again: string[] = [];
    const figures = await underLoad({ env: { DRAGONFLY_URL: backend.url, ...broker.env } }, async () => {
      await eventsAgain(broker);
      for (let round = 0; round < pick(1, 2); round++) {
        for (const { name, begin, end } of faultList) {
          await begin(broker);
          await sleep(pick(1_500, 2_500));
          await end(broker);
          again.push(`${name} ${await eventsAgain(broker)} ms`);
          log(again.at(-1) ?? '');
        }
      }
    });
    figures.notes['events received'] = broker.subscriber.received.length;
    figures.notes['events again after'] = again.join(', ');
    return figures;
  } finally {
    await broker.stop();
    await backend.stop();
  }
}

/** Maximum time that a request may wait for the broker, in milliseconds. */
const PROMISED_WAIT_MS = 50;
/** Time that a busy machine may add to it in the short form, in milliseconds. */
const SLACK_MS = 1000;

/** Functions that are frozen between invocations. One with events and one without are invoked alternately. */
async function functions({ pick }: Run): Promise<Figures> {
  const backend = await startServer();
  const broker = await proxiedBroker();
  const env = { DRAGONFLY_URL: backend.url, LOG_LEVEL: 'WARN' };
  const plain = await startFunction('set', env);
  const publishing = await startFunction('set', { ...env, ...broker.env });
  const get = await startFunction('get', env);
  try {
    const load = new Load(functionCaller({ set: publishing, get }), { callers: 0 });
    const anchor = new Load(functionCaller({ set: plain }), { callers: 0 });
    const [tenant = ''] = load.mix.tenants;
    const timed = async (asked: Load, key: string) => {
      const begun = now();
      await asked.ask(asked.mix.set(tenant, key, 300));
      return now() - begun;
    };
    const waits: Record<string, number[]> = {};
    const measure = async (name: string, times: number) => {
      for (let time = 0; time < times; time++) {
        const without = await timed(anchor, 'plain');
        waits[name] = [...(waits[name] ?? []), (await timed(load, 'k')) - without];
        await load.ask({ operation: 'get', tenant, key: 'k' });
      }
    };
    const times = pick(20, 120);
    await measure('healthy', times);
    for (const { name, begin, end } of faultList) {
      await begin(broker);
      await measure(name, times);
      await end(broker);
      await invokeUntilEvents(broker, () => timed(load, 'k'));
    }
    await anchor.stop();
    return withWaits(await load.stop(), waits, PROMISED_WAIT_MS + pick(SLACK_MS, 0));
  } finally {
    for (const instance of [plain, publishing, get]) await instance.stop();
    await broker.stop();
    await backend.stop();
  }
}

/** Invokes a function until events arrive again: a frozen function does not reconnect by itself. */
async function invokeUntilEvents(broker: ProxiedBroker, invoke: () => Promise<unknown>): Promise<void> {
  let heard = false;
  const hearing = eventsAgain(broker).finally(() => {
    heard = true;
  });
  while (!heard) {
    await invoke();
    await sleep(20);
  }
  await hearing;
}

function withWaits(figures: Figures, waits: Record<string, number[]>, allowedMs: number): Figures {
  for (const [name, differences] of Object.entries(waits)) {
    const sorted = [...differences].sort((a, b) => a - b);
    const quantile = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
    const [median, high] = [quantile(0.5), quantile(0.95)];
    figures.notes[`additional wait, ${name}`] = `${median.toFixed(1)} ms, p95 ${high.toFixed(1)} ms`;
    if (high > allowedMs) {
      figures.unexplained++;
      figures.problems.push(`a request waited ${Math.round(high)} ms for a broker that is ${name}`);
    }
  }
  return figures;
}

export const brokenBroker: readonly Scenario[] = [
  { name: 'events-broker', breaks: 'event broker killed, stopped, silent, refusing, slow', run: server },
  { name: 'events-function', breaks: 'the same, with frozen functions', run: functions },
];
