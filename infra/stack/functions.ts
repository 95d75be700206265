import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  type CfnFunction,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { routeNamed } from '../../lib/routes.ts';
import { type FunctionName, operations, scheduled } from '../build/functions.ts';
import type { CacheEndpoint } from './backend/index.ts';
import { functionEnvironment } from './environment.ts';
import type { CacheEvents } from './events.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheFunctionsProps {
  /** The directory that holds `<name>.mjs` for every function. */
  bundles: string;
  endpoint: CacheEndpoint;
  /** Undefined: none are published. */
  events: CacheEvents | undefined;
  settings: Pick<DeploymentSettings, 'logRetentionDays' | 'reservedConcurrency' | 'service' | 'tracing'>;
  /** Further variables of every function, by the names that the service knows. */
  environment: Record<string, string>;
}

/** A sweep works until just before API Gateway gives up, after 30 seconds. */
const SWEEP_TIMEOUT = Duration.seconds(29);

/** The others need one round trip, or fail when an operation on the backend times out: after 4 s at most, see `readSettings`. */
const TIMEOUT = Duration.seconds(5);

/**
 * One size for all: twice what the most demanding bodies of 5 MiB, all short strings or all members, take a set (250 MB).
 */
const MEMORY_MB = 512;

/**
 * One Lambda function for each row of the route table, and the one for what no row takes. Those that need no cache are in no
 * network and may do nothing but log. And the one that measures the cache, where nobody else does.
 */
export class CacheFunctions extends Construct {
  readonly #functions = new Map<FunctionName, LambdaFunction>();

  constructor(scope: Construct, id: string, props: CacheFunctionsProps) {
    super(scope, id);
    const code = Code.fromAsset(props.bundles);
    const names = [...operations, ...(props.endpoint.measured ? scheduled : [])];
    for (const name of names) this.#functions.set(name, this.#create(name, code, props));
  }

  /** All functions that there are. */
  get all(): LambdaFunction[] {
    return [...this.#functions.values()];
  }

  /** The function of an operation, or one that a schedule calls. */
  of(name: FunctionName): LambdaFunction {
    const found = this.#functions.get(name);
    if (!found) throw new Error(`There is no function for ${name}`);
    return found;
  }

  #create(name: FunctionName, code: Code, props: CacheFunctionsProps): LambdaFunction {
    const { settings } = props;
    const id = functionId(name);
    const operation = operations.find((known) => known === name);
    const endpoint = needsCache(name) ? props.endpoint : undefined;
    const logGroup = new LogGroup(this, `${id}Logs`, {
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const created = new LambdaFunction(this, id, {
      description: `cache-service: ${name}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code,
      handler: `${name}.handler`,
      timeout: routeNamed(name)?.kind === 'sweep' ? SWEEP_TIMEOUT : TIMEOUT,
      memorySize: MEMORY_MB,
      // What a schedule calls never runs twice at once.
      reservedConcurrentExecutions: operation && settings.reservedConcurrency,
      environment: {
        ...functionEnvironment((setting) => settings.service[setting] ?? props.environment[setting]),
        ...endpoint?.environment,
        ...(operation && props.events?.environmentOf(operation)),
      },
      role: this.#role(`${id}Role`, logGroup, { inVpc: endpoint?.network !== undefined, ...settings }),
      ...endpoint?.network,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // LOG_LEVEL decides what is written; the platform shall not drop any of it a second time.
      applicationLogLevelV2: ApplicationLogLevel.TRACE,
      tracing: settings.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
    });
    // A name to type: `sam local invoke GetFunction`. It also keeps the function when constructs are moved about.
    (created.node.defaultChild as CfnFunction).overrideLogicalId(id);
    endpoint?.grantTo(created);
    if (operation) props.events?.grantTo(created, operation);
    return created;
  }

  /** A role of the function's own, which allows less than the ready-made policies for functions do. */
  #role(id: string, logGroup: LogGroup, { inVpc, tracing }: { inVpc: boolean; tracing: boolean }): Role {
    const role = new Role(this, id, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    if (inVpc) role.addToPolicy(new PolicyStatement({ actions: NETWORK_INTERFACES, resources: ['*'] }));
    if (inVpc || tracing) {
      Validations.of(role).acknowledge({
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason:
          'Lambda makes, finds and removes the network interfaces of functions in a VPC by the right of their role, and X-Ray takes segments; neither has a resource that could be named beforehand.',
      });
    }
    return role;
  }
}

/** What Lambda asks of the role of a function that is in a VPC. */
const NETWORK_INTERFACES = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** By the route table; what a schedule calls does, or there would be nothing to measure. */
function needsCache(name: FunctionName): boolean {
  return routeNamed(name)?.backend !== false;
}

/** `clear-tenant` becomes `ClearTenantFunction`. */
function functionId(name: FunctionName): string {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Function`;
}
