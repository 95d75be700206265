import { createHash } from 'node:crypto';
import { Validations } from 'aws-cdk-lib';
import {
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  Subnet,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { EndpointNetwork } from './backend/index.ts';
import type { ExistingNetwork } from './settings/types.ts';

export interface CacheNetworkProps {
  /** Names of the zones of a new VPC, for services that are not available in all zones. Empty: those of the stack. */
  zones: readonly string[];
  /** Undefined: a new VPC. */
  existing: ExistingNetwork | undefined;
}

/**
 * The network of the functions and the cache: an existing one, or a new VPC with isolated subnets, without NAT gateway and internet
 * gateway. Functions need only the cache; Lambda itself transports their logs and traces.
 */
export class CacheNetwork extends Construct {
  readonly vpc: IVpc;
  readonly subnets: SubnetSelection;
  /**
   * The functions' security group. That of a new VPC allows no inbound traffic, and outbound traffic by {@link allowTo} only. That of an
   * existing network is not changed.
   */
  readonly functions: ISecurityGroup;
  /** Whether the network is not the stack's own. It then has the routes that its owner gave it. */
  readonly isExisting: boolean;
  /**
   * A hash of the chosen zones or subnets; empty if none are chosen. For names of caches that cannot move to other subnets: CloudFormation
   * replaces such a cache, and two caches cannot have the same name.
   */
  readonly suffix: string;

  constructor(scope: Construct, id: string, { zones, existing }: CacheNetworkProps) {
    super(scope, id);
    this.isExisting = existing !== undefined;
    this.suffix = suffixOf(existing?.subnetIds ?? zones);
    if (existing) {
      const { vpc, vpcSubnets, securityGroup } = importNetwork(this, existing);
      this.vpc = vpc;
      this.subnets = vpcSubnets;
      this.functions = securityGroup;
    } else {
      this.vpc = this.#createVpc(zones);
      this.subnets = { subnetType: SubnetType.PRIVATE_ISOLATED };
      this.functions = this.createGroup('Functions', 'The functions of cache-service');
    }
  }

  #createVpc(zones: readonly string[]): Vpc {
    const vpc = new Vpc(this, 'Vpc', {
      ...(zones.length > 0 && { availabilityZones: [...zones] }),
      natGateways: 0,
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 22 }],
      // The stack does not use the default group. A resource that is added to it by mistake can reach nothing.
      restrictDefaultSecurityGroup: true,
    });
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason:
        'The network has no route to the internet, and security groups allow each connection explicitly. Flow logs would cost more than they are worth.',
    });
    return vpc;
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

  /** Lets the functions read one SSM parameter, through a VPC endpoint. Not for an existing network, which has routes of its own. */
  allowParameter(parameterArn: string): void {
    const group = this.createGroup('Parameter', 'Systems Manager, for the functions');
    this.allowTo(group, 443);
    new InterfaceVpcEndpoint(this, 'SystemsManager', {
      vpc: this.vpc,
      service: InterfaceVpcEndpointAwsService.SSM,
      subnets: this.subnets,
      securityGroups: [group],
      open: false,
    }).addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['ssm:GetParameter'],
        resources: [parameterArn],
      }),
    );
  }

  get subnetIds(): string[] {
    return this.vpc.selectSubnets(this.subnets).subnetIds;
  }

  /** VPC, subnets and security group for functions that use the cache. */
  get endpointNetwork(): EndpointNetwork {
    return { vpc: this.vpc, vpcSubnets: this.subnets, securityGroups: [this.functions] };
  }
}

/** Imports an existing network. The stack does not change it. */
export function importNetwork(
  scope: Construct,
  { vpcId, subnetIds, securityGroupId }: ExistingNetwork,
): { vpc: IVpc; vpcSubnets: SubnetSelection; securityGroup: ISecurityGroup } {
  return {
    // The CDK requires zones, but nothing uses them.
    vpc: Vpc.fromVpcAttributes(scope, 'Vpc', { vpcId, availabilityZones: ['unknown'] }),
    vpcSubnets: { subnets: subnetIds.map((subnetId) => importSubnet(scope, subnetId)) },
    securityGroup: SecurityGroup.fromSecurityGroupId(scope, 'SecurityGroup', securityGroupId, {
      mutable: false,
    }),
  };
}

function importSubnet(scope: Construct, subnetId: string): ISubnet {
  const subnet = Subnet.fromSubnetId(scope, subnetId, subnetId);
  Validations.of(subnet).acknowledge({
    id: '@aws-cdk/aws-ec2:noSubnetRouteTableId',
    reason: 'The stack does not change the routes of an existing network.',
  });
  return subnet;
}

function suffixOf(names: readonly string[]): string {
  if (names.length === 0) return '';
  const hash = createHash('sha256').update(names.join()).digest('hex');
  return `-${hash.slice(0, 8)}`;
}
