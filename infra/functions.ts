import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
  ApplicationLogLevel,
  Architecture,
  type CfnFunction,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Operation } from '../lib/http/routes.ts';
import { operations } from './build.ts';

export interface CacheFunctionsProps {
  /** The directory that holds `<operation>.mjs` for every operation. */
  bundles: string;
  environment: Record<string, string>;
}

/** What walks through a tenant's entries goes on until just before API Gateway gives up, after 30 seconds. */
const WALKS: readonly Operation[] = ['invalidate', 'clear-tenant'];
const WALK_TIMEOUT = Duration.seconds(29);

/** The others are done in one round trip, or have given up on the backend after about a second. */
const TIMEOUT = Duration.seconds(5);

/**
 * One size for all: twice what the most demanding bodies of 5 MiB, all short strings or all members, take a set (250 MB).
 */
const MEMORY_MB = 512;

/** One Lambda function for each row of the route table, and the one for what no row takes. */
export class CacheFunctions extends Construct {
  readonly #functions = new Map<Operation, LambdaFunction>();

  constructor(scope: Construct, id: string, { bundles, environment }: CacheFunctionsProps) {
    super(scope, id);
    const code = Code.fromAsset(bundles);
    for (const operation of operations)
      this.#functions.set(operation, this.#create(operation, code, environment));
  }

  /** The function of an operation. */
  of(operation: Operation): LambdaFunction {
    const found = this.#functions.get(operation);
    if (!found) throw new Error(`There is no function for ${operation}`);
    return found;
  }

  #create(operation: Operation, code: Code, environment: Record<string, string>): LambdaFunction {
    const name = functionId(operation);
    const logGroup = new LogGroup(this, `${name}Logs`, {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const created = new LambdaFunction(this, name, {
      description: `cache-service: ${operation}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code,
      handler: `${operation}.handler`,
      timeout: WALKS.includes(operation) ? WALK_TIMEOUT : TIMEOUT,
      memorySize: MEMORY_MB,
      environment,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // LOG_LEVEL decides what is written; the platform shall not drop any of it a second time.
      applicationLogLevelV2: ApplicationLogLevel.TRACE,
    });
    // A name to type: `sam local invoke GetFunction`. It also keeps the function when constructs are moved about.
    (created.node.defaultChild as CfnFunction).overrideLogicalId(name);
    return created;
  }
}

/** `clear-tenant` becomes `ClearTenantFunction`. */
function functionId(operation: Operation): string {
  const words = operation.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Function`;
}
