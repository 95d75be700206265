import { join } from 'node:path';
import { find } from '../../support/engines/find.ts';
import { type Backend, startBackend, TTL_SECONDS } from '../backend.ts';
import { type HttpServer, type Load, requestsPerSecond, startHttpServer } from '../http-server.ts';
import type { BenchOptions, Comparison, Part } from '../part.ts';
import { recordsJson } from '../values.ts';
import { writeWebdisConfig } from '../webdis.ts';

const SERVICE = join(import.meta.dirname, '../../../infra/server/main.ts');
const ANCHOR = join(import.meta.dirname, '../anchors/http.ts');
const TENANT = 'measured';
const KEY = 'item';
const CONNECTIONS = { full: [16, 128], tiny: [16] };

const OURS = 'get of 1 kB';
const OURS_LOGGING = 'get of 1 kB, logging every request';
const WEBDIS = 'webdis';
const NODE = 'node:http + ioredis';

/** The request for each server, by the server's name. */
type Loads = Map<string, Load>;

/** Responses per second by the server's name, one sample per round. */
type Rates = Map<string, number[]>;

/**
 * The minimum ratio to a bare Node server, at 16 connections. The compared server, the backend and the load generator, which runs in this
 * process, share the machine's cores. Where the load generator is the slowest of them, the ratio is closer to 1 than that of the servers'
 * CPU time per request.
 */
const GOALS = new Map([
  [OURS, 0.9],
  [OURS_LOGGING, 0.75],
]);
const GOAL_CONNECTIONS = 16;

/** The local server compared with other HTTP cache servers on the same machine and backend. */
export const local: Part = {
  name: 'local',
  async run(options) {
    const servers: HttpServer[] = [];
    const backend = await startBackend();
    try {
      const loads = await startAll(backend, servers, options);
      const comparisons: Comparison[] = [];
      for (const connections of CONNECTIONS[options.size]) {
        options.say(`${connections} connections`);
        comparisons.push(...compare(await measure(loads, connections, options), connections));
      }
      return comparisons;
    } finally {
      for (const server of servers) await server.stop();
      await backend.stop();
    }
  },
};

async function startAll(
  { server: { url: backendUrl, port: backendPort }, store, raw }: Backend,
  servers: HttpServer[],
  { say }: BenchOptions,
): Promise<Loads> {
  const value = recordsJson(1_000);
  await store.set(TENANT, KEY, value, TTL_SECONDS);
  await raw.set(KEY, value, 'EX', TTL_SECONDS);
  const loads: Loads = new Map();
  const start = async (
    name: string,
    path: string,
    headers: Record<string, string>,
    ...server: Parameters<typeof startHttpServer>
  ) => {
    const started = await startHttpServer(...server);
    servers.push(started);
    const load = { url: `${started.url}${path}`, headers };
    await assertReturnsValue(name, load, value);
    loads.set(name, load);
  };

  for (const [name, level] of [
    [OURS, 'ERROR'],
    [OURS_LOGGING, 'INFO'],
  ] as const) {
    const environment = { DRAGONFLY_URL: backendUrl, LOG_LEVEL: level };
    const command = async () => [process.execPath, SERVICE];
    await start(name, `/api/v1/cache/${KEY}`, { 'X-Tenant-ID': TENANT }, command, environment);
  }
  await start(NODE, `/${KEY}`, {}, async (port) => [process.execPath, ANCHOR, backendUrl, String(port)]);
  const webdis = await find('webdis').catch((error: Error) =>
    say(`Not compared with webdis: ${error.message}`),
  );
  if (webdis) {
    // With this path it responds with the bare value.
    await start(WEBDIS, `/GET/${KEY}.txt`, {}, async (port, directory) => [
      webdis.path,
      await writeWebdisConfig(directory, port, backendPort),
    ]);
  }
  return loads;
}

/** @throws Error if a server does not return the value, because then the measurement would be meaningless */
async function assertReturnsValue(name: string, { url, headers }: Load, value: string): Promise<void> {
  const response = await fetch(url, { headers });
  const body = await response.text();
  if (!response.ok || !body.includes(value)) {
    throw new Error(`${name} does not return the value: ${response.status} ${body.slice(0, 200)}`);
  }
}

/** Measures all servers in each round. Each round starts with another server. */
async function measure(loads: Loads, connections: number, { size, rounds }: BenchOptions): Promise<Rates> {
  const tiny = size === 'tiny';
  const rates: Rates = new Map();
  const names = [...loads.keys()];
  const run = (name: string, seconds: number) =>
    requestsPerSecond(loads.get(name) as Load, connections, seconds);
  for (const name of names) {
    // Warm up: first runs are slower.
    if (!tiny) await run(name, 1);
    rates.set(name, []);
  }
  for (let round = 0; round < rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      rates.get(name)?.push(await run(name, tiny ? 1 : 2));
    }
  }
  return rates;
}

function compare(rates: Rates, connections: number): Comparison[] {
  const comparisons: Comparison[] = [];
  for (const anchor of [WEBDIS, NODE]) {
    const theirs = rates.get(anchor);
    if (!theirs) continue;
    for (const name of [OURS, OURS_LOGGING]) {
      const atLeast = anchor === NODE && connections === GOAL_CONNECTIONS ? GOALS.get(name) : undefined;
      const goal = atLeast === undefined ? undefined : { atLeast };
      const what = `${name}, ${connections} connections`;
      comparisons.push({ what, anchor, unit: 'requests/s', ours: rates.get(name) ?? [], theirs, goal });
    }
  }
  return comparisons;
}
