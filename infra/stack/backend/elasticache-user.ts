import { CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { DeploymentSettings } from '../settings/types.ts';

export const ENGINE = 'valkey';

/** A user of ElastiCache who logs in with IAM, and the only one of a group. */
export interface ElastiCacheUser {
  name: string;
  arn: string;
  groupId: string;
}

/** @param accessString the user's permissions, in Redis ACL syntax */
export function createUser(
  scope: Construct,
  { stage }: Pick<DeploymentSettings, 'stage'>,
  accessString: string,
): ElastiCacheUser {
  // Lower case, because ElastiCache converts names to lower case and a login signs them.
  const name = `cache-service-${stage}`;
  const user = new CfnUser(scope, 'User', {
    engine: ENGINE,
    // IAM login requires the same value for both.
    userId: name,
    userName: name,
    authenticationMode: { Type: 'iam' },
    accessString,
  });
  // The group has no user `default`, which only groups of the engine `redis` require. Nobody else can log in.
  const users = new CfnUserGroup(scope, 'Users', { engine: ENGINE, userGroupId: name, userIds: [user.ref] });
  return { name, arn: user.attrArn, groupId: users.ref };
}

/** Allows `grantee` to log in to a cache as a user, both given by their ARNs. */
export function grantConnect(grantee: IGrantable, cacheArn: string, userArn: string): void {
  Grant.addToPrincipal({ grantee, actions: ['elasticache:Connect'], resourceArns: [cacheArn, userArn] });
}
