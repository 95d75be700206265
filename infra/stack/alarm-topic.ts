import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

/**
 * SNS topic for alarms. It accepts messages over TLS only, and encrypts them with its own key because CloudWatch may not use the
 * key that AWS manages for SNS.
 */
export class AlarmTopic extends Construct {
  readonly topic: Topic;

  /** @param email is subscribed; undefined: subscribe later */
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
      // The key protects messages in transit, and no data that is read later.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        principals: [cloudWatch],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        // In a key's policy, `*` is the key itself.
        resources: ['*'],
        conditions: alarmsOfThisAccount,
      }),
    );

    this.topic = new Topic(this, 'Topic', {
      displayName: 'cache-service alarms',
      masterKey: key,
      enforceSSL: true,
    });
    // A custom policy replaces the default one, which allows the account's alarms to publish.
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
