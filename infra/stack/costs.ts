import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { readSettings } from './settings/settings.ts';
import { CacheStack } from './stack.ts';

/*
 * What the stack costs per month, computed from its templates: the tables of docs/deploy.md. Prints them if it is run:
 *
 *     npx node infra/stack/costs.ts
 */

/** US dollars in us-east-1, list prices of November 2026, without free tiers and tax. */
const PRICES = {
  apiRequests: 1 / 1e6,
  lambdaRequests: 0.2 / 1e6,
  lambdaGbSeconds: 0.0000133334,
  logGb: 0.5,
  storedLogGb: 0.03,
  alarmMetric: 0.1,
  metric: 0.3,
  dashboard: 3,
  key: 1,
  secret: 0.4,
  privateZone: 0.5,
  cloudMapInstance: 0.1,
  elastiCacheGbHours: 0.084,
  processingUnits: 0.0023 / 1e6,
  // Valkey costs 20 % less than Redis OSS.
  nodeHours: { 'cache.t4g.small': 0.0256, 'cache.t4g.medium': 0.052 },
  fargateCpuHours: 0.03238,
  fargateGbHours: 0.00356,
  endpointHours: 0.01,
  // In each direction.
  zoneGb: 0.01,
  upstashCommands: 0.2 / 1e5,
} as const;

const HOURS = 730;

/** Bytes that a request writes to the logs, access log included, on average. A test measures them. */
export const LOG_BYTES = { all: 1000, sampled: 340 };

/** Values of 1 kB, 90 % gets. */
const REQUEST = {
  gbMemory: 0.5,
  // 1 % are cold starts of 300 ms.
  billedSeconds: 0.008 + 0.01 * 0.3,
  // 2 per get, 5 per set: an estimate.
  processingUnits: 0.9 * 2 + 0.1 * 5,
  trafficBytes: 1300,
};

/** A function takes about 15 ms for a batch of 100 gets of 1 kB. */
const BATCH_SECONDS = 0.015 + 0.01 * 0.3;

/** Metrics of get, set, delete and invalidate. */
const REQUEST_METRICS = 17;

/** Metrics that the scheduled function publishes. */
const MEASURED_METRICS = { all: 8, reachability: 2 };

/** The share of the log's size that its stored, compressed form has. */
const COMPRESSED = 0.15;

/** A template, as far as costs go. The CDK declares the properties of no resource. */
interface Template {
  // biome-ignore lint/suspicious/noExplicitAny: the types of CloudFormation's properties are those of its schemas
  Resources: Record<string, { Type: string; Properties?: Record<string, any> }>;
}

interface Load {
  requests: number;
  keysPerRequest: number;
  /** The size of all entries. */
  gb: number;
  /** Whether `REQUEST_LOG_SAMPLE` is 0.05. */
  sampled?: true;
}

const LOADS: Record<string, Load> = {
  idle: { requests: 0, keysPerRequest: 1, gb: 0.1 },
  '1 M requests': { requests: 1e6, keysPerRequest: 1, gb: 0.1 },
  '100 M requests': { requests: 1e8, keysPerRequest: 1, gb: 1 },
  '100 M requests, `REQUEST_LOG_SAMPLE=0.05`': { requests: 1e8, keysPerRequest: 1, gb: 1, sampled: true },
  '100 M keys in batches of 100': { requests: 1e6, keysPerRequest: 100, gb: 1 },
};

/** The backends that cost something. */
const CONTEXTS: Record<string, Record<string, string>> = {
  elasticache: {},
  // Its two nodes have room for the gigabyte: 75 % of 1.37 GiB, the share that ElastiCache leaves for data.
  'elasticache-nodes': { backend: 'elasticache-nodes' },
  dragonfly: { backend: 'dragonfly' },
  external: {
    backend: 'external',
    externalSecretArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:cache-AbCdEf',
  },
};

type Costs = Record<
  'API Gateway' | 'Lambda' | 'logs' | 'alarms, metrics, dashboard, key' | 'cache and its network',
  number
>;

/** @returns US dollars per month */
function costsOf(template: Template, { requests, keysPerRequest, gb, sampled }: Load): Costs {
  const propertiesOf = (type: string) =>
    Object.values(template.Resources)
      .filter(({ Type }) => Type === type)
      .map(({ Properties = {} }) => Properties);
  const count = (type: string) => propertiesOf(type).length;
  const seconds = keysPerRequest === 1 ? REQUEST.billedSeconds : BATCH_SECONDS;
  const logGb = (requests * (sampled ? LOG_BYTES.sampled : LOG_BYTES.all)) / 1e9;

  const alarmMetrics = propertiesOf('AWS::CloudWatch::Alarm').flatMap(({ Metrics = [{ MetricStat: {} }] }) =>
    Metrics.filter(({ MetricStat }: { MetricStat?: object }) => MetricStat),
  ).length;
  const [{ Targets } = { Targets: [] }] = propertiesOf('AWS::Events::Rule');
  const measured = Targets.map(({ Input }: { Input: string }) => JSON.parse(Input).metrics)[0] as
    | keyof typeof MEASURED_METRICS
    | undefined;
  const metrics = (requests > 0 ? REQUEST_METRICS : 0) + (measured ? MEASURED_METRICS[measured] : 0);

  const keys = requests * keysPerRequest;
  const isServerless = count('AWS::ElastiCache::ServerlessCache') > 0;
  const clusters = propertiesOf('AWS::ElastiCache::ReplicationGroup');
  const tasks = propertiesOf('AWS::ECS::TaskDefinition');
  const endpoints = propertiesOf('AWS::EC2::VPCEndpoint').filter(
    ({ VpcEndpointType }) => VpcEndpointType === 'Interface',
  );
  const zones = count('AWS::EC2::Subnet');
  // An existing cache has its login in a secret that the stack does not create.
  const secrets = count('AWS::SecretsManager::Secret') || (isServerless || clusters.length > 0 ? 0 : 1);
  const cache = [
    isServerless ? gb * HOURS * PRICES.elastiCacheGbHours : 0,
    isServerless ? keys * REQUEST.processingUnits * PRICES.processingUnits : 0,
    ...clusters.map(
      ({ CacheNodeType, NumNodeGroups, ReplicasPerNodeGroup }) =>
        NumNodeGroups * (1 + ReplicasPerNodeGroup) * HOURS * nodeHourPrice(CacheNodeType),
    ),
    ...tasks.map(
      ({ Cpu, Memory }) =>
        HOURS *
        ((Number(Cpu) / 1024) * PRICES.fargateCpuHours + (Number(Memory) / 1024) * PRICES.fargateGbHours),
    ),
    endpoints.length * zones * HOURS * PRICES.endpointHours,
    secrets * PRICES.secret,
    count('AWS::ServiceDiscovery::PrivateDnsNamespace') * PRICES.privateZone,
    count('AWS::ServiceDiscovery::Service') * PRICES.cloudMapInstance,
    // Half of the requests reach a cache in another zone.
    0.5 * ((keys * REQUEST.trafficBytes) / 1e9) * 2 * PRICES.zoneGb,
  ];

  return {
    'API Gateway': requests * PRICES.apiRequests,
    Lambda: requests * (PRICES.lambdaRequests + seconds * REQUEST.gbMemory * PRICES.lambdaGbSeconds),
    logs: logGb * (PRICES.logGb + COMPRESSED * PRICES.storedLogGb),
    'alarms, metrics, dashboard, key':
      alarmMetrics * PRICES.alarmMetric +
      metrics * PRICES.metric +
      count('AWS::CloudWatch::Dashboard') * PRICES.dashboard +
      count('AWS::KMS::Key') * PRICES.key,
    'cache and its network': cache.reduce((sum, cost) => sum + cost),
  };
}

/** @throws Error if the price is unknown, rather than a table that omits it */
function nodeHourPrice(nodeType: string): number {
  const price = Object.entries(PRICES.nodeHours).find(([known]) => known === nodeType)?.[1];
  if (price === undefined) throw new Error(`The price of ${nodeType} is not known`);
  return price;
}

/** The tables in Markdown. */
export function costTables(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cache-costs-'));
  try {
    const templates = Object.entries(CONTEXTS).map(
      ([name, context]) => [name, synthesize(context, directory)] as const,
    );
    const names = templates.map(([name]) => name);
    const dollars = (cost: number) => cost.toFixed(2);
    const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
    const head = (cells: string[]) => [
      row(cells),
      row(cells.map((_, index) => (index === 0 ? '---' : '--:'))),
    ];

    const totals = Object.entries(LOADS).map(([load, each]) =>
      row([
        load,
        ...templates.map(([, template]) =>
          dollars(Object.values(costsOf(template, each)).reduce((sum, cost) => sum + cost)),
        ),
        dollars(each.requests * each.keysPerRequest * PRICES.upstashCommands),
      ]),
    );
    const [name = '', detailed] = Object.entries(LOADS).at(2) ?? [];
    const parts = templates.map(([, template]) => costsOf(template, detailed as Load));
    const items = Object.keys(parts[0] ?? {}) as (keyof Costs)[];
    return [
      ...head(['US dollars per month', ...names, 'Upstash, pay as you go']),
      ...totals,
      '',
      ...head([`of ${name}`, ...names]),
      ...items.map((item) => row([item, ...parts.map((part) => dollars(part[item]))])),
      '',
    ].join('\n');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The code does not matter to the costs, so the bundles are an empty directory. */
function synthesize(context: Record<string, string>, directory: string): Template {
  const app = new App({
    outdir: mkdtempSync(join(directory, 'out-')),
    context,
    builtinCloudFormationValidation: false,
  });
  const bundles = mkdtempSync(join(directory, 'bundles-'));
  new CacheStack(app, 'CacheService', { bundles, settings: readSettings(context) });
  return app.synth().getStackByName('CacheService').template;
}

if (import.meta.main) process.stdout.write(costTables());
