import { Validations } from 'aws-cdk-lib';
import { Peer, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { EndpointNetwork } from './backend/index.ts';

export interface CacheNetworkProps {
  /** Names of the zones, for services that are not available in all zones. Empty: those of the stack. */
  zones: readonly string[];
}

/**
 * A VPC with isolated subnets, without NAT gateway and internet gateway. Functions need only the cache; Lambda itself transports
 * their logs and traces.
 */
export class CacheNetwork extends Construct {
  readonly vpc: Vpc;
  /** The functions' security group. It allows no inbound traffic, and outbound traffic by {@link allowTo} only. */
  readonly functions: SecurityGroup;

  constructor(scope: Construct, id: string, { zones }: CacheNetworkProps) {
    super(scope, id);
    this.vpc = new Vpc(this, 'Vpc', {
      ...(zones.length > 0 && { availabilityZones: [...zones] }),
      natGateways: 0,
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 22 }],
      // The stack does not use the default group. A resource that is added to it by mistake can reach nothing.
      restrictDefaultSecurityGroup: true,
    });
    Validations.of(this.vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason:
        'The network has no route to the internet, and security groups allow each connection explicitly. Flow logs would cost more than they are worth.',
    });
    this.functions = this.createGroup('Functions', 'The functions of cache-service');
  }

  /** Creates a security group that allows no traffic. */
  createGroup(id: string, description: string): SecurityGroup {
    const group = new SecurityGroup(this, id, { vpc: this.vpc, description, allowAllOutbound: false });
    // AWS adds a rule that allows all outbound traffic to a group without egress rules. Rules that refer to other groups are
    // separate resources and do not prevent that, so each group has this rule, which allows nothing.
    group.addEgressRule(Peer.ipv4('127.0.0.1/32'), Port.allTraffic(), 'Nowhere');
    return group;
  }

  /** Allows connections from the functions to a group on these ports. */
  allowTo(target: SecurityGroup, ...ports: number[]): void {
    for (const port of ports) this.functions.connections.allowTo(target, Port.tcp(port));
  }

  /** VPC, subnets and security group for functions that use the cache. */
  get endpointNetwork(): EndpointNetwork {
    return {
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [this.functions],
    };
  }
}
