import { Annotations, Fn, Stack, type StackProps, Token } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as Target } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { BackendMetrics } from '../../lib/observability/backend-metrics.ts';
import { CacheAlarms } from './alarms.ts';
import { authorizationEnvironment, CacheApi } from './api.ts';
import { createEndpoint } from './backend/create.ts';
import type { CacheEndpoint } from './backend/index.ts';
import { CacheDashboard } from './dashboard.ts';
import { eventBroker } from './events.ts';
import { CacheFunctions } from './functions.ts';
import { countFailures, MINUTE, namespaceOf } from './metrics.ts';
import type { DeploymentSettings } from './settings/types.ts';
import { CacheTrafficShift } from './traffic-shift.ts';

export interface CacheStackProps extends StackProps {
  /** Directory of the functions' bundles. */
  bundles: string;
  settings: DeploymentSettings;
}

/** The whole service on AWS: one construct per concern. */
export class CacheStack extends Stack {
  readonly endpoint: CacheEndpoint;
  readonly functions: CacheFunctions;
  readonly api: CacheApi;

  /**
   * The account's first two zones, which CloudFormation looks up. The CDK's own lookup has another result with credentials than without,
   * and ElastiCache Serverless cannot move to other subnets.
   */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }

  constructor(scope: Construct, id: string, { bundles, settings, ...props }: CacheStackProps) {
    super(scope, id, { description: 'A multi-tenant cache behind a REST interface', ...props });

    rejectOtherRegions(this, settings);
    this.endpoint = createEndpoint(this, settings);
    this.functions = new CacheFunctions(this, 'Functions', {
      bundles,
      endpoint: this.endpoint,
      events: settings.events && eventBroker(new Construct(this, 'Events'), settings.events),
      settings,
      environment: {
        ...authorizationEnvironment(settings),
        METRICS_NAMESPACE: namespaceOf(settings.stage),
      },
    });
    this.api = new CacheApi(this, 'Api', { functions: this.functions, settings });

    const { measurement } = this.endpoint;
    if (measurement) {
      const measureBackend = this.functions.of('measure-backend');
      measureEveryMinute(new Construct(this, 'Measurement'), measureBackend, measurement);
    }
    const observed = { api: this.api, functions: this.functions, endpoint: this.endpoint, settings };
    countFailures(new Construct(this, 'LogMetrics'), this.api.accessLog, settings.stage);
    const { alarms, rollBackAlarms } = new CacheAlarms(this, 'Alarms', observed);
    new CacheDashboard(this, 'Dashboard', { ...observed, alarms });
    if (settings.trafficShift && settings.trafficShift !== 'AllAtOnce') {
      new CacheTrafficShift(this, 'TrafficShift', {
        functions: this.functions,
        alarms: rollBackAlarms,
        shift: settings.trafficShift,
      });
    }
  }
}

/** What settings refer to must be in the region of the stack. The region is unknown if the CDK has no credentials. */
function rejectOtherRegions(
  stack: Stack,
  { alarmTopicArn, availabilityZones, backend, domain, service }: DeploymentSettings,
): void {
  const regionOfArn = (arn: string | undefined) => arn?.split(':')[3];
  const regions = {
    alarmTopicArn: regionOfArn(alarmTopicArn),
    TENANT_LIMITS: service.TENANT_LIMITS?.startsWith('arn:') ? regionOfArn(service.TENANT_LIMITS) : undefined,
    certificateArn: regionOfArn(domain?.certificateArn),
    availabilityZones: availabilityZones[0]?.slice(0, -1),
    externalIamCache:
      backend.kind === 'external' && 'cacheArn' in backend.login
        ? regionOfArn(backend.login.cacheArn)
        : undefined,
    dragonflyImage: backend.kind === 'dragonfly' ? backend.image?.split('.')[3] : undefined,
  };
  for (const [name, region] of Object.entries(regions)) {
    if (region === undefined || Token.isUnresolved(stack.region) || region === stack.region) continue;
    Annotations.of(stack).addError(`${name} must be in the stack's region, ${stack.region}`);
  }
}

/** A failed invocation is not retried, because the next one replaces it. */
function measureEveryMinute(scope: Construct, measureBackend: LambdaFunction, metrics: BackendMetrics): void {
  const once = { retryAttempts: 0, maxEventAge: MINUTE };
  measureBackend.configureAsyncInvoke(once);
  new Rule(scope, 'EveryMinute', {
    description: 'cache-service: measures the backend',
    schedule: Schedule.rate(MINUTE),
    targets: [new Target(measureBackend, { ...once, event: RuleTargetInput.fromObject({ metrics }) })],
  });
}

/** Name of a stage's stack. The default stage has the short name. */
export function stackId({ stage }: Pick<DeploymentSettings, 'stage'>): string {
  return stage === 'prod' ? 'CacheService' : `CacheService-${stage}`;
}
