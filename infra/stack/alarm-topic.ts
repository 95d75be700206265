import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

/**
 * Where alarms are reported: encrypted at rest with a key of its own, since CloudWatch may not use the one that SNS has, and
 * taking messages over TLS only.
 */
export class AlarmTopic extends Construct {
  readonly topic: Topic;

  /** @param email who is told; without one, whoever subscribes later is */
  constructor(scope: Construct, id: string, { email }: { email: string | undefined }) {
    super(scope, id);
    const { account, region, partition } = Stack.of(this);
    const alarmsOfThisAccount = {
      StringEquals: { 'aws:SourceAccount': account },
      ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
    };
    const cloudWatch = new ServicePrincipal('cloudwatch.amazonaws.com');

    const key = new Key(this, 'Key', {
      description: 'cache-service: messages about alarms',
      enableKeyRotation: true,
      // It protects messages on their way and no data that has to be read later.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        principals: [cloudWatch],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        // In a key's own policy this is the key.
        resources: ['*'],
        conditions: alarmsOfThisAccount,
      }),
    );

    this.topic = new Topic(this, 'Topic', {
      displayName: 'cache-service alarms',
      masterKey: key,
      enforceSSL: true,
    });
    // A topic with a policy no longer has the default one, by which the account's alarms could publish.
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        principals: [cloudWatch],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: alarmsOfThisAccount,
      }),
    );
    if (email !== undefined) this.topic.addSubscription(new EmailSubscription(email));
  }
}
