import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as Target } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { MINUTE } from './metrics.ts';

export interface MeasurementProps {
  /** The function that measures. */
  measuring: LambdaFunction;
}

/** Has the backend measured once a minute. What fails is not tried again, since a minute later it is old. */
export class Measurement extends Construct {
  constructor(scope: Construct, id: string, { measuring }: MeasurementProps) {
    super(scope, id);
    const once = { retryAttempts: 0, maxEventAge: MINUTE };
    measuring.configureAsyncInvoke(once);
    new Rule(this, 'EveryMinute', {
      description: 'cache-service: measures the backend',
      schedule: Schedule.rate(MINUTE),
      targets: [new Target(measuring, once)],
    });
  }
}
