import { Validations } from 'aws-cdk-lib';
import { Peer, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { EndpointNetwork } from './backend/index.ts';

export interface CacheNetworkProps {
  /** Availability zones at most. A stack that is tied to no account and region sees two, whatever is asked for. */
  zones: number;
  /** Their names, if it matters which: not every service is in all of them. Empty: the first ones. */
  names: readonly string[];
}

/**
 * A VPC without a way out or in: isolated subnets, no NAT gateway, no internet gateway. The functions need the cache alone;
 * their logs and traces go through Lambda itself.
 */
export class CacheNetwork extends Construct {
  readonly vpc: Vpc;
  /** The functions' security group. It lets nothing in, and out what {@link allowTo} says. */
  readonly functions: SecurityGroup;

  constructor(scope: Construct, id: string, { zones, names }: CacheNetworkProps) {
    super(scope, id);
    this.vpc = new Vpc(this, 'Vpc', {
      ...(names.length > 0 ? { availabilityZones: [...names] } : { maxAzs: zones }),
      natGateways: 0,
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 22 }],
      // Nothing of ours is in the default group; what somebody puts there by mistake reaches nothing.
      restrictDefaultSecurityGroup: true,
    });
    Validations.of(this.vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason:
        'No route leads out of this network, and every flow inside it is allowed by name: a log of flows would cost more than it tells.',
    });
    this.functions = this.group('Functions', 'The functions of cache-service');
  }

  /** A security group that lets nothing in and nothing out. */
  group(id: string, description: string): SecurityGroup {
    const group = new SecurityGroup(this, id, { vpc: this.vpc, description, allowAllOutbound: false });
    // A group that declares no rule for what goes out may let everything out, and rules that name another group are declared
    // beside it: so each declares one that leads nowhere.
    group.addEgressRule(Peer.ipv4('127.0.0.1/32'), Port.allTraffic(), 'Nowhere');
    return group;
  }

  /** Lets the functions reach a group at these ports, and lets the group take what comes from them. */
  allowTo(target: SecurityGroup, ...ports: number[]): void {
    for (const port of ports) this.functions.connections.allowTo(target, Port.tcp(port));
  }

  /** Where the functions have to be. */
  get endpointNetwork(): EndpointNetwork {
    return {
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [this.functions],
    };
  }
}
