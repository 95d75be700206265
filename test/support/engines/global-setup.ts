import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Redis } from 'ioredis';
import type { TestProject } from 'vitest/node';
import { build } from '../../../infra/build/functions.ts';
import { parseBackendUrl } from '../../../lib/config/backend-url.ts';
import { type Environment, startService } from '../../http/service.ts';
import { runAfterExit } from '../after-exit.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { findClusterEngine, findEngine, installFor, type Program, versionOf } from './find.ts';
import { infoFields, masters, withRawClient } from './inspect.ts';
import { type Server, startServer } from './server.ts';

/** A backend for suites that run on each backend: `describe.each(inject('targets'))`. */
export interface Target {
  /** For the titles of suites: `single server`, `three-node cluster`. */
  name: string;
  /** In the format of `DRAGONFLY_URL`. */
  url: string;
  cluster: boolean;
}

/** A local server that test files share, also concurrently. Each test uses its own tenants. */
export interface SharedService {
  /** Undefined for the embedded store. */
  backendUrl: string | undefined;
  port: number;
}

/** The tests that use the shared services, as path prefixes relative to the project's root. */
const USE_SERVICES = ['test/http/', 'test/openapi/', 'test/examples/', 'test/client/', 'test/adapters/'];

/** The tests that start bundled functions. */
const USE_BUNDLES = [
  'test/bundles/',
  'test/faults/',
  'test/hostile/',
  'test/nats/',
  'test/observability/',
  'test/openapi/',
];

/** Large enough for the entries of all test files, so that none is evicted. In bytes. */
const MEMORY_MAX_BYTES = String(1024 ** 3);

declare module 'vitest' {
  interface ProvidedContext {
    /**
     * The server that all test files of a run share, also concurrently. A test that empties it, stops it or counts its commands
     * must start its own with `startServer`. If TEST_BACKEND_URL is set, this is that URL, which may also be a cluster's.
     */
    singleUrl: string;
    /** The cluster that all test files share; undefined if TEST_BACKEND_URL is a single server. */
    clusterUrl: string | undefined;
    /** The backends above, without undefined and duplicates. */
    targets: Target[];
    /** Services with default settings: one per target, and one with the embedded store. Empty if no file of the run uses them. */
    services: SharedService[];
  }
}

/**
 * Runs once per test run. Installs the programs that its test files need, then starts the shared backends and services. With
 * TEST_BACKEND_URL it uses that backend instead.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const prepare = async (paths: string[]) => {
    const files = paths.map((path) => relative(project.config.root, path));
    await installFor(files);
    await buildBundlesFor(files);
  };
  await prepare(project.vitest.state.getPaths());
  // In watch mode a later run may include more files, or test changed sources.
  project.onTestsRerun((specifications) => prepare(specifications.map(({ moduleId }) => moduleId)));
  const given = process.env.TEST_BACKEND_URL?.trim();
  const { targets, stop } = given ? await useGiven(given) : await startOwn();
  try {
    provide(project, targets);
    const stopServices = await startServices(project, targets);
    return async () => {
      await stopServices();
      await stop();
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const isInOneOf = (prefixes: readonly string[], files: readonly string[]) =>
  files.some((file) => prefixes.some((prefix) => file.startsWith(prefix)));

/** The directory of this run's bundles. */
let bundles: string | undefined;

/** Builds the bundles if a file uses them. The processes of the tests inherit TEST_BUNDLES. */
async function buildBundlesFor(files: string[]): Promise<void> {
  if (!isInOneOf(USE_BUNDLES, files)) return;
  if (bundles === undefined) {
    bundles = mkdtempSync(join(tmpdir(), 'cache-bundles-'));
    runAfterExit('rm -rf "$1"', bundles);
    process.env.TEST_BUNDLES = bundles;
  }
  await build(bundles);
}

interface Backends {
  targets: [Target, ...Target[]];
  stop(): Promise<void>;
}

async function startServices(project: TestProject, targets: Target[]): Promise<() => Promise<void>> {
  const files = project.vitest.state.getPaths().map((file) => relative(project.config.root, file));
  const areUsed = isInOneOf(USE_SERVICES, files);
  const urls = areUsed ? [undefined, ...targets.map(({ url }) => url)] : [];
  const services = await Promise.all(
    urls.map(async (backendUrl) => {
      const env: Environment =
        backendUrl === undefined ? { MEMORY_MAX_BYTES } : { DRAGONFLY_URL: backendUrl };
      return { backendUrl, service: await startService(env) };
    }),
  );
  project.provide(
    'services',
    services.map(({ backendUrl, service: { port } }) => ({ backendUrl, port })),
  );
  return async () => {
    await Promise.all(services.map(({ service }) => service.stop()));
  };
}

async function useGiven(url: string): Promise<Backends> {
  const { hosts, cluster } = parse(url);
  const where = hosts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const description = await withRawClient(url, async (client) => {
    const [node] = masters(client);
    return node ? describeServer(node) : 'a cluster without masters';
  }).catch((error) => {
    throw new Error(`The backend in TEST_BACKEND_URL (${where}) is unreachable`, { cause: error });
  });
  log(`Testing on ${description} from TEST_BACKEND_URL: ${where}`);
  if (!cluster) {
    log('It is not a cluster, so the cluster tests do not run. If it is one, add ?cluster=true to the URL.');
  }
  return {
    targets: [{ name: cluster ? 'the given cluster' : 'the given server', url, cluster }],
    stop: async () => {},
  };
}

async function startOwn(): Promise<Backends> {
  const describe = async (engine: Program) => `${engine.name} ${await versionOf(engine)}`;
  const [engine, clusterEngine] = [
    await describe(await findEngine()),
    await describe(await findClusterEngine()),
  ];
  const [single, cluster] = await allOrNone(startServer(), startCluster());
  log(
    `Testing on ${engine}: a single server on port ${single.port}, and on ` +
      `${clusterEngine}: a cluster on ports ${cluster.nodes.map(({ port }) => port).join(', ')}`,
  );
  return {
    targets: [
      { name: 'single server', url: single.url, cluster: false },
      { name: 'three-node cluster', url: cluster.url, cluster: true },
    ],
    stop: async () => {
      await Promise.all([single.stop(), cluster.stop()]);
    },
  };
}

function provide(project: TestProject, targets: [Target, ...Target[]]): void {
  project.provide('singleUrl', targets[0].url);
  project.provide('clusterUrl', targets.find((target) => target.cluster)?.url);
  project.provide('targets', targets);
}

/** Starts both. If one fails, stops the other and throws the error. */
async function allOrNone(
  server: Promise<Server>,
  cluster: Promise<TestCluster>,
): Promise<[Server, TestCluster]> {
  try {
    return await Promise.all([server, cluster]);
  } catch (error) {
    for (const result of await Promise.allSettled([server, cluster])) {
      if (result.status === 'fulfilled') await result.value.stop();
    }
    throw error;
  }
}

function parse(url: string): ReturnType<typeof parseBackendUrl> {
  try {
    return parseBackendUrl(url);
  } catch (error) {
    throw new Error(`TEST_BACKEND_URL ${(error as Error).message}`);
  }
}

async function describeServer(node: Redis): Promise<string> {
  const { dragonfly_version, valkey_version, redis_version } = await infoFields(node, 'server');
  if (dragonfly_version) return `Dragonfly ${dragonfly_version.replace(/^df-v?/, '')}`;
  return valkey_version ? `Valkey ${valkey_version}` : `Redis ${redis_version}`;
}

/** Writes to stderr, because reporters use stdout. */
function log(line: string): void {
  process.stderr.write(`${line}\n`);
}
