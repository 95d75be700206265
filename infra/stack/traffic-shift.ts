import { Validations } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { LambdaApplication, LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { Effect, ManagedPolicy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { CacheFunctions } from './functions.ts';
import type { TrafficShift } from './settings/types.ts';

export interface TrafficShiftProps {
  functions: CacheFunctions;
  /** Any of these undoes the deployment of every function. */
  alarms: readonly Alarm[];
  shift: Exclude<TrafficShift, 'AllAtOnce'>;
}

/**
 * Moves the requests of each function's alias to a new version step by step. CodeDeploy does so while CloudFormation updates the alias. If an
 * alarm fires meanwhile, CodeDeploy moves the requests back and the update of the stack fails, so CloudFormation undoes the rest. The first
 * deployment creates the aliases without CodeDeploy.
 */
export class CacheTrafficShift extends Construct {
  constructor(scope: Construct, id: string, { functions, alarms, shift }: TrafficShiftProps) {
    super(scope, id);
    const application = new LambdaApplication(this, 'Application');
    const deploymentConfig = LambdaDeploymentConfig.fromLambdaDeploymentConfigName(
      this,
      'Config',
      `CodeDeployDefault.Lambda${shift}`,
    );
    const role = this.#createRole(functions);
    for (const [operation, alias] of functions.aliases) {
      new LambdaDeploymentGroup(this, operation, {
        application,
        alias,
        alarms: [...alarms],
        deploymentConfig,
        role,
      });
    }
  }

  /** One role for all groups. AWS's policy is for all functions of the account, so the role denies those of others. */
  #createRole(functions: CacheFunctions): Role {
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('codedeploy.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSCodeDeployRoleForLambdaLimited'),
      ],
    });
    role.addToPolicy(
      new PolicyStatement({
        effect: Effect.DENY,
        actions: ['lambda:InvokeFunction', 'lambda:UpdateAlias'],
        notResources: [...functions.aliases.keys()].flatMap((operation) => {
          const { functionArn } = functions.of(operation);
          return [functionArn, `${functionArn}:*`];
        }),
      }),
    );
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited]',
      reason:
        'AWS maintains this policy with what CodeDeploy needs for functions. The role denies changes of functions outside the stack.',
    });
    return role;
  }
}
