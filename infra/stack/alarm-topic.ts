import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';

/**
 * Creates the SNS topic for alarms. It accepts messages over TLS only, and encrypts them with its own key because CloudWatch may not
 * use the key that AWS manages for SNS.
 *
 * @param email is subscribed; undefined: subscribe later
 */
export function createAlarmTopic(scope: Construct, email: string | undefined): Topic {
  const { account, region, partition } = Stack.of(scope);
  const alarmsOfThisAccount = {
    StringEquals: { 'aws:SourceAccount': account },
    ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
  };
  const cloudWatch = new ServicePrincipal('cloudwatch.amazonaws.com');

  const key = new Key(scope, 'Key', {
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

  const topic = new Topic(scope, 'Topic', {
    displayName: 'cache-service alarms',
    masterKey: key,
    enforceSSL: true,
  });
  // A custom policy replaces the default one, which allows the account's alarms to publish.
  topic.addToResourcePolicy(
    new PolicyStatement({
      principals: [cloudWatch],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: alarmsOfThisAccount,
    }),
  );
  if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
  return topic;
}
