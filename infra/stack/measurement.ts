import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as Target } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { MINUTE } from './metrics.ts';

export interface MeasurementProps {
  measureBackend: LambdaFunction;
}

/** Invokes `measure-backend` once a minute. A failed invocation is not retried, because the next one replaces it. */
export class Measurement extends Construct {
  constructor(scope: Construct, id: string, { measureBackend }: MeasurementProps) {
    super(scope, id);
    const once = { retryAttempts: 0, maxEventAge: MINUTE };
    measureBackend.configureAsyncInvoke(once);
    new Rule(this, 'EveryMinute', {
      description: 'cache-service: measures the backend',
      schedule: Schedule.rate(MINUTE),
      targets: [new Target(measureBackend, once)],
    });
  }
}
