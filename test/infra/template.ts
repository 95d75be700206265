import type { Template } from 'aws-cdk-lib/assertions';
import type { Operation } from '../../lib/routes.ts';
import { resources } from './synthesize.ts';

/** The operation of each function. The logical ids are repeated here, because people use them on the command line. */
export const FUNCTIONS: Record<string, Operation> = {
  GetFunction: 'get',
  SetFunction: 'set',
  DeleteFunction: 'delete',
  TouchFunction: 'touch',
  LeaseFunction: 'lease',
  LeaseReleaseFunction: 'lease-release',
  InvalidateFunction: 'invalidate',
  BatchGetFunction: 'batch-get',
  BatchSetFunction: 'batch-set',
  BatchDeleteFunction: 'batch-delete',
  KeysFunction: 'keys',
  UsageFunction: 'usage',
  ClearTenantFunction: 'clear-tenant',
  HealthFunction: 'health',
  OpenapiFunction: 'openapi',
  NotFoundFunction: 'not-found',
};

/** The functions without a store, and those with one. */
export const WITHOUT_STORE = ['OpenapiFunction', 'NotFoundFunction'];
export const WITH_STORE = Object.keys(FUNCTIONS).filter((id) => !WITHOUT_STORE.includes(id));

export interface Statement {
  Effect: string;
  Action: string | string[];
  Resource: unknown;
}

/** The service's functions by logical id, without those that the CDK adds for deployments. */
export function ourFunctions(template: Template): Record<string, Record<string, unknown>> {
  const all = resources(template, 'AWS::Lambda::Function');
  return Object.fromEntries(Object.keys(FUNCTIONS).map((id) => [id, all[id] ?? {}]));
}

/** Returns the variables of a function. */
export function variablesOf(template: Template, id: string): Record<string, unknown> {
  const { Environment } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return (Environment as { Variables: Record<string, unknown> }).Variables;
}

/** Returns all policy statements of a function. */
export function statementsOf(template: Template, id: string): Statement[] {
  const { Role } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return statementsOfRole(template, attributeOf(Role));
}

/** Returns all policy statements of a role. @throws Error if the role has a policy that is not in the template */
export function statementsOfRole(template: Template, roleId: string): Statement[] {
  const role = resources(template, 'AWS::IAM::Role')[roleId];
  if (!role || role.ManagedPolicyArns) throw new Error(`${roleId} is not a role with inline policies only`);
  const inline = (role.Policies ?? []) as { PolicyDocument: { Statement: Statement[] } }[];
  const attached = Object.values(resources(template, 'AWS::IAM::Policy')).filter(({ Roles }) =>
    (Roles as { Ref: string }[]).some(({ Ref }) => Ref === roleId),
  ) as unknown as typeof inline;
  return [...inline, ...attached].flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
}

/** A rule of a security group that refers to another security group. */
export interface Rule {
  /** The logical id of the other group. */
  peer: string;
  port: unknown;
}

export function rulesOf(template: Template, groupId: string): { ingress: Rule[]; egress: Rule[] } {
  const rules = (direction: 'Ingress' | 'Egress', peer: string) =>
    Object.values(resources(template, `AWS::EC2::SecurityGroup${direction}`))
      .filter(({ GroupId }) => attributeOf(GroupId) === groupId)
      .map((rule) => ({ peer: attributeOf(rule[peer]), port: rule.ToPort }));
  return {
    ingress: rules('Ingress', 'SourceSecurityGroupId'),
    egress: rules('Egress', 'DestinationSecurityGroupId'),
  };
}

/** Returns the logical id of a function's security group. @throws Error if the function is not in a VPC */
export function securityGroupOf(template: Template, id: string): string {
  const { VpcConfig } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return attributeOf((VpcConfig as { SecurityGroupIds: unknown[] }).SecurityGroupIds[0]);
}

/** Returns the logical id in `Fn::GetAtt`. */
export function attributeOf(value: unknown): string {
  return (value as { 'Fn::GetAtt': [string, string] })['Fn::GetAtt'][0];
}
