import { setTimeout as sleep } from 'node:timers/promises';
import { type LambdaFunction, startFunction } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { functionCaller } from '../harness/caller.ts';
import { now } from '../harness/clock.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Figures } from '../harness/figures.ts';
import { Load } from '../harness/load.ts';
import { summarizeLog } from '../harness/log.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import { type Collector, conditions, medianAndMaximum, startCollector } from './conditions.ts';

/** Time within which the service must use a recovered collector again, in milliseconds. */
const BACK_MS = 40_000;

async function withBackendAndCollector(
  run: (backendUrl: string, collector: Collector) => Promise<Figures>,
): Promise<Figures> {
  const server = await startServer();
  const collector = await startCollector();
  try {
    const figures = await run(server.url, collector);
    const { spans, problems } = collector.receiver;
    figures.notes['spans received'] = spans.length;
    figures.problems.push(...problems.map((problem) => `not OTLP: ${problem}`));
    figures.unexplained += problems.length;
    return figures;
  } finally {
    await collector.stop();
    await server.stop();
  }
}

/** Waits until the collector receives spans again, calling `keepOn` meanwhile. Returns the time it took, in milliseconds. */
async function untilSpansCome({ receiver }: Collector, keepOn: () => Promise<unknown>): Promise<number> {
  const before = receiver.spans.length;
  const began = now();
  while (receiver.spans.length === before) {
    if (now() - began > BACK_MS) throw new Error(`No span was received within ${BACK_MS} ms`);
    await keepOn();
  }
  return now() - began;
}

/**
 * Maximum time that a request may wait for the collector, in milliseconds. Timers may add to it, and in the short form a busy
 * machine.
 */
const PROMISED_WAIT_MS = 50;
const TIMERS_MS = 10;
const SLACK_MS = 500;

/**
 * The third longest wait. A function waits for an unavailable collector up to three times in a row, then stops waiting for a
 * while; the two longest are left out because the machine may have caused them.
 */
function thirdLongest(waits: readonly number[]): number {
  return waits.toSorted((a, b) => b - a)[2] ?? 0;
}

/** A broken collector does not explain a failed request. */
function onServer({ pick }: Run): Promise<Figures> {
  return withBackendAndCollector(async (backendUrl, collector) => {
    const notes: Figures['notes'] = {};
    let slowestReturn = 0;
    const figures = await underLoad(
      { env: { DRAGONFLY_URL: backendUrl, ...collector.env } },
      async (load) => {
        for (const condition of conditions) {
          await condition.begin(collector);
          const from = now();
          await sleep(pick(1500, 4_000));
          const to = now();
          await condition.end(collector);
          const during = load.history.filter(({ began, ended }) => began >= from && ended <= to);
          notes[`requests, collector ${condition.name}`] = medianAndMaximum(
            during.map(({ began, ended }) => ended - began),
          );
          slowestReturn = Math.max(slowestReturn, await untilSpansCome(collector, () => sleep(20)));
        }
        notes['spans again after'] = `${Math.round(slowestReturn)} ms at most`;
      },
    );
    Object.assign(figures.notes, notes);
    return figures;
  });
}

function inFunctions({ pick }: Run): Promise<Figures> {
  return withBackendAndCollector(async (backendUrl, collector) => {
    const functions: Partial<Record<'get' | 'set', LambdaFunction>> = {};
    let plain: LambdaFunction | undefined;
    try {
      const settings = { DRAGONFLY_URL: backendUrl, LOG_LEVEL: 'INFO' };
      for (const operation of ['get', 'set'] as const) {
        functions[operation] = await startFunction(operation, { ...settings, ...collector.env });
      }
      // A function without telemetry, invoked alternately for comparison.
      plain = await startFunction('get', settings);
      const anchor = new Load(functionCaller({ get: plain }), { callers: 0 });
      // No background load: all requests are sent here.
      const load = new Load(functionCaller(functions), { callers: 0 });
      const [tenant = ''] = load.mix.tenants;
      const got = async (asked: Load, key: string) => {
        const began = now();
        await asked.ask({ operation: 'get', tenant, key });
        return now() - began;
      };
      const timed = async () => {
        await load.ask(load.mix.set(tenant, 'k:1', 300));
        const without = await got(anchor, 'k:none');
        const ms = await got(load, 'k:1');
        return { ms, wait: ms - without };
      };
      const notes: Figures['notes'] = {};
      const waited: Record<string, number> = {};
      let slowestReturn = 0;
      for (const condition of conditions) {
        await condition.begin(collector);
        const times: Awaited<ReturnType<typeof timed>>[] = [];
        while (times.length < pick(30, 150)) times.push(await timed());
        await condition.end(collector);
        notes[`get, collector ${condition.name}`] = medianAndMaximum(times.map(({ ms }) => ms));
        waited[condition.name] = thirdLongest(times.map(({ wait }) => wait));
        slowestReturn = Math.max(slowestReturn, await untilSpansCome(collector, timed));
      }
      await anchor.stop();
      const figures = await load.stop();
      const allowed = PROMISED_WAIT_MS + TIMERS_MS + figures.lagMs + pick(SLACK_MS, 0);
      for (const [name, ms] of Object.entries(waited)) {
        if (ms <= allowed) continue;
        figures.unexplained++;
        figures.problems.push(`requests waited ${Math.round(ms)} ms for a collector that is ${name}`);
      }
      const log = functions.get?.output() ?? '';
      Object.assign(figures.notes, notes, {
        'spans again after': `${Math.round(slowestReturn)} ms at most`,
        'log of get': summarizeLog(
          log
            .split('\n')
            .filter((line) => !line.includes('"message":"request"'))
            .join('\n'),
        ),
      });
      return figures;
    } finally {
      await Promise.all([...Object.values(functions), plain].map((instance) => instance?.stop()));
    }
  });
}

export const brokenCollector: readonly Scenario[] = [
  { name: 'collector', breaks: 'trace collector unavailable, silent, slow, overloaded', run: onServer },
  { name: 'collector-functions', breaks: 'the same, with functions', run: inFunctions },
];
