import { ArnFormat, Duration, RemovalPolicy, Stack, Token, Validations } from 'aws-cdk-lib';
import { Effect, Grant, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  ApplicationLogLevel,
  Architecture,
  type CfnFunction,
  Code,
  type IFunction,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { type Operation, routeNamed } from '../../lib/routes.ts';
import { type FunctionName, operations, scheduled } from '../build/functions.ts';
import type { CacheEndpoint } from './backend/index.ts';
import { functionEnvironment } from './environment.ts';
import type { EventBroker } from './events.ts';
import type { DeploymentSettings } from './settings/types.ts';

export interface CacheFunctionsProps {
  /** Directory with `<name>.mjs` for every function. */
  bundles: string;
  endpoint: CacheEndpoint;
  /** Undefined: no events are published. */
  events: EventBroker | undefined;
  settings: Pick<
    DeploymentSettings,
    | 'getProvisionedConcurrency'
    | 'logRetentionDays'
    | 'reservedConcurrency'
    | 'service'
    | 'tracing'
    | 'trafficShift'
  >;
  /** Further variables of every function. */
  environment: Record<string, string>;
}

/** Just below API Gateway's timeout of 30 seconds. */
const SWEEP_TIMEOUT = Duration.seconds(29);

/** Other functions wait for at most one operation on the backend, which takes at most 4 s, see `readSettings`. */
const TIMEOUT = Duration.seconds(5);

/** Twice the memory that a set with the most demanding 5 MiB body needs: 250 MB for a body of short strings or members only. */
const MEMORY_MB = 512;

/**
 * One Lambda function per route and one for unknown routes. If the backend needs it, also the function that measures the backend.
 * Functions without a backend are in no VPC, and their role allows only logging.
 *
 * With a traffic shift or provisioned concurrency, each function with a route has an alias for its present version.
 */
export class CacheFunctions extends Construct {
  readonly #functions = new Map<FunctionName, LambdaFunction>();
  /** By operation; empty: requests go to the functions themselves. */
  readonly aliases: ReadonlyMap<Operation, Alias>;

  constructor(scope: Construct, id: string, props: CacheFunctionsProps) {
    super(scope, id);
    const code = Code.fromAsset(props.bundles);
    const names = [...operations, ...(props.endpoint.measurement ? scheduled : [])];
    for (const name of names) this.#functions.set(name, this.#create(name, code, props));
    const { getProvisionedConcurrency, trafficShift } = props.settings;
    const aliased = getProvisionedConcurrency === undefined && trafficShift === undefined ? [] : operations;
    this.aliases = new Map(aliased.map((name) => [name, this.#createAlias(name)]));
  }

  /** What requests invoke. */
  targetOf(operation: Operation): IFunction {
    return this.aliases.get(operation) ?? this.of(operation);
  }

  of(name: FunctionName): LambdaFunction {
    const found = this.#functions.get(name);
    if (!found) throw new Error(`There is no function for ${name}`);
    return found;
  }

  #create(name: FunctionName, code: Code, props: CacheFunctionsProps): LambdaFunction {
    const { settings } = props;
    const id = functionId(name);
    // Scheduled functions have no route, and need the cache.
    const route = routeNamed(name);
    const endpoint = route?.backend === false ? undefined : props.endpoint;
    // Functions that only read publish no events and do not connect to the broker.
    const events = route && route.kind !== 'read' ? props.events : undefined;
    const logGroup = new LogGroup(this, `${id}Logs`, {
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // In the description, because only a changed function gets another version, and a version cannot change its own number.
    const provisioned = name === 'get' ? settings.getProvisionedConcurrency : undefined;
    const created = new LambdaFunction(this, id, {
      description: `cache-service: ${name}${provisioned === undefined ? '' : `, ${provisioned} provisioned`}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code,
      handler: `${name}.handler`,
      timeout: route?.kind === 'sweep' ? SWEEP_TIMEOUT : TIMEOUT,
      memorySize: MEMORY_MB,
      // A scheduled function never runs concurrently.
      reservedConcurrentExecutions: route && settings.reservedConcurrency[route.name],
      environment: {
        ...functionEnvironment((setting) => {
          // A function without a tenant applies no limits, and has no permission to read them if the setting is an ARN. The weight is only
          // accepted together with limits.
          const isOfLimits = setting === 'TENANT_LIMITS' || setting === 'TENANT_SWEEP_WEIGHT';
          if (isOfLimits && !route?.tenant) return undefined;
          return settings.service[setting] ?? props.environment[setting];
        }),
        ...endpoint?.environment,
        ...events?.environment,
      },
      role: this.#role(`${id}Role`, logGroup, { inVpc: endpoint?.network !== undefined, ...settings }),
      ...endpoint?.network,
      currentVersionOptions: {
        description: versionDescription(endpoint),
        // Not on the alias: an alias cannot have both provisioned concurrency and weights, by which CodeDeploy shifts traffic.
        provisionedConcurrentExecutions: provisioned,
      },
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // LOG_LEVEL filters the service's own lines.
      applicationLogLevelV2: ApplicationLogLevel.TRACE,
      // Without the lines for the start, the end and the figures of each invocation, which are a quarter of the log. Timeouts and failed
      // starts are reported at WARN.
      systemLogLevelV2: SystemLogLevel.WARN,
      tracing: settings.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
    });
    // A fixed name that people can type: `sam local invoke GetFunction`. The function also keeps its id when constructs are moved.
    (created.node.defaultChild as CfnFunction).overrideLogicalId(id);
    endpoint?.grantTo(created);
    if (route?.tenant) grantTenantLimits(created, settings.service.TENANT_LIMITS);
    events?.grantTo(created);
    return created;
  }

  #createAlias(name: Operation): Alias {
    const version = this.of(name).currentVersion;
    return new Alias(this, `${functionId(name)}Alias`, { aliasName: 'live', version });
  }

  /** A role per function, with fewer permissions than AWS's managed policies for functions. */
  #role(id: string, logGroup: LogGroup, { inVpc, tracing }: { inVpc: boolean; tracing: boolean }): Role {
    const role = new Role(this, id, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    if (inVpc) {
      role.addToPolicy(new PolicyStatement({ actions: NETWORK_INTERFACES, resources: ['*'] }));
      // Lambda itself uses the permissions above. The function's code may not: its calls have this condition key.
      // Source: "Giving Lambda functions access to resources in an Amazon VPC", Lambda developer guide.
      role.addToPolicy(
        new PolicyStatement({
          effect: Effect.DENY,
          actions: NETWORK_INTERFACES,
          resources: ['*'],
          conditions: { ArnLike: { 'lambda:SourceFunctionArn': Stack.of(this).formatArn(ANY_FUNCTION) } },
        }),
      );
    }
    if (inVpc || tracing) {
      Validations.of(role).acknowledge({
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason:
          'Lambda uses the role to create, describe and delete network interfaces of functions in a VPC, and functions send segments to X-Ray. These actions have no resource that is known before the deployment.',
      });
    }
    return role;
  }
}

/**
 * The values of a function's variables that only CloudFormation knows, such as the cache's address. CloudFormation replaces a version whose
 * description changes. Without it, the version would keep the address of a cache that was replaced: its own variables never change, and the
 * CDK creates a version only if the template of the function changes.
 */
function versionDescription(endpoint: CacheEndpoint | undefined): string | undefined {
  const unknown = Object.values(endpoint?.environment ?? {}).filter((value) => Token.isUnresolved(value));
  return unknown.length > 0 ? unknown.join(' ') : undefined;
}

/** Allows a function to read the secret or the SSM parameter with the limits of tenants, if they are in one. */
function grantTenantLimits(grantee: LambdaFunction, limits = ''): void {
  if (!limits.startsWith('arn:')) return;
  const action = limits.split(':')[2] === 'ssm' ? 'ssm:GetParameter' : 'secretsmanager:GetSecretValue';
  Grant.addToPrincipal({ grantee, actions: [action], resourceArns: [limits] });
}

/** Roles have one function each, whose ARN depends on its role. */
const ANY_FUNCTION = {
  service: 'lambda',
  resource: 'function',
  resourceName: '*',
  arnFormat: ArnFormat.COLON_RESOURCE_NAME,
};

/** Permissions that Lambda requires of the role of a function in a VPC. */
const NETWORK_INTERFACES = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** `clear-tenant` becomes `ClearTenantFunction`. */
function functionId(name: FunctionName): string {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Function`;
}
