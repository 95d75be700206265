import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type StackProps } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { CacheStack, stackId } from '../../infra/stack/stack.ts';
import { runAfterExit } from '../support/after-exit.ts';

/** Settings for the CDK: a choice with the settings that it requires. */
type Context = Record<string, unknown>;

export const BACKENDS = {
  elasticache: { backend: 'elasticache' },
  'elasticache-nodes': { backend: 'elasticache-nodes' },
  dragonfly: { backend: 'dragonfly' },
  external: {
    backend: 'external',
    externalSecretArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:dragonfly-AbCdEf',
  },
  memory: { backend: 'memory' },
} as const satisfies Record<string, Context>;

/** An existing network. */
export const NETWORK = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-12345678,subnet-12345679',
  securityGroupId: 'sg-12345678',
} as const satisfies Context;

/** Each backend in an existing network. */
export const IN_NETWORK = {
  elasticache: { ...BACKENDS.elasticache, ...NETWORK },
  'elasticache-nodes': { ...BACKENDS['elasticache-nodes'], ...NETWORK },
  dragonfly: { ...BACKENDS.dragonfly, ...NETWORK },
  external: { ...BACKENDS.external, ...NETWORK },
} as const satisfies Record<string, Context>;

export const EXTERNAL_IAM = {
  backend: 'external',
  externalIamCache: 'arn:aws:elasticache:us-east-1:123456789012:replicationgroup:sessions',
  externalIamUrl: 'valkeys://cache@clustercfg.sessions.abcdef.use1.cache.amazonaws.com:6379?cluster=true',
  ...NETWORK,
} as const satisfies Context;

export const SCALING = {
  ...BACKENDS['elasticache-nodes'],
  nodeType: 'cache.m7g.large',
  nodeMaxShards: '5',
} as const satisfies Context;

/** Every combination of settings that leads to other resources. */
export const VARIANTS: Record<string, Context> = {
  ...BACKENDS,
  'elasticache-nodes, scaling': SCALING,
  'external, IAM': EXTERNAL_IAM,
  'elasticache, limits in a parameter': {
    ...BACKENDS.elasticache,
    TENANT_LIMITS: 'arn:aws:ssm:us-east-1:123456789012:parameter/cache/limits',
  },
  ...Object.fromEntries(
    Object.entries(IN_NETWORK).map(([backend, context]) => [`${backend}, existing network`, context]),
  ),
};

export const AUTHORIZATIONS = {
  iam: { authorization: 'iam' },
  jwt: {
    authorization: 'jwt',
    jwtIssuer: 'https://login.example.com/',
    jwtAudience: 'cache,other',
    jwtTenantClaim: 'tenant_id',
  },
  none: { authorization: 'none' },
} as const satisfies Record<string, Context>;

const workspace = mkdtempSync(join(tmpdir(), 'cache-synthesize-'));
runAfterExit('rm -rf "$1"', workspace);

/** The feature flags of the CDK's command line. */
export const flags: Context = JSON.parse(
  readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8'),
).context;

/** A stand-in for the bundles. */
const standIn = mkdtempSync(join(workspace, 'bundles-'));
writeFileSync(join(standIn, 'get.mjs'), 'export const handler = () => {};');

export interface Synthesized {
  app: App;
  stack: CacheStack;
  template: Template;
}

/** Settings of the CDK that change neither resources nor their properties, except for the hashes of assets. */
export const FAST: Context = {
  // Bundling starts npm and esbuild, which takes longer than the synthesis. Assets are the files as they are.
  'aws:cdk:bundling-stacks': [],
  'aws:cdk:disable-stack-trace': true,
};

/** For tests of the code in an asset. */
export const BUNDLED: Context = { 'aws:cdk:bundling-stacks': ['**'] };

const synthesized = new Map<string, Synthesized>();

/** How a stack is constructed. By default, as fast as possible. */
interface Construction {
  /** The directory of the functions' code. Default: a stand-in, since a template does not depend on the content of the code. */
  bundles?: string;
  outdir?: string;
  /** Settings of the CDK. Default: {@link FAST}. */
  cdk?: Context;
  /** Whether the CDK validates the templates, which takes seconds. */
  validates?: boolean;
}

/** Constructs the stack without synthesizing it. Synthesis takes most of the time, and checks of settings do not need it. */
export function construct(
  context: Context = {},
  props: StackProps = {},
  {
    bundles = standIn,
    outdir = mkdtempSync(join(workspace, 'out-')),
    cdk = FAST,
    validates = false,
  }: Construction = {},
): Omit<Synthesized, 'template'> {
  const app = new App({
    outdir,
    context: { ...flags, ...cdk, ...context },
    builtinCloudFormationValidation: validates,
    // The tree is no part of a template, and `cdk.json` turns reporting off. Without both, a synthesis takes a quarter less time.
    treeMetadata: false,
    analyticsReporting: false,
  });
  const settings = readSettings(app.node.getAllContext());
  return { app, stack: new CacheStack(app, stackId(settings), { bundles, settings, ...props }) };
}

/**
 * Synthesizes the stack in this process, in a directory that is removed when the process ends. The same arguments return the same stack,
 * which tests must not change.
 */
export function synthesize(context: Context = {}, props: StackProps = {}): Synthesized {
  const id = JSON.stringify([context, props]);
  const known = synthesized.get(id);
  if (known) return known;
  const constructed = construct(context, props);
  // Synthesizes the whole app, because some properties are set only then.
  const result = { ...constructed, template: Template.fromStack(constructed.stack) };
  synthesized.set(id, result);
  return result;
}

/** Calls `check` with the template of every variant. */
export function everyVariant(check: (template: Template, variant: string) => void): void {
  for (const [variant, context] of Object.entries(VARIANTS)) check(synthesize(context).template, variant);
}

/** Returns the properties of every resource of a type, by logical id. */
export function resources(template: Template, type: string): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(template.findResources(type)).map(([id, { Properties }]) => [id, Properties]),
  );
}

/** Returns the properties of the only resource of a type. */
export function only(template: Template, type: string): Record<string, unknown> {
  const [found, ...more] = Object.values(resources(template, type));
  if (!found || more.length > 0)
    throw new Error(`Expected one ${type}, found ${found ? more.length + 1 : 0}`);
  return found;
}
