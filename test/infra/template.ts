import type { Template } from 'aws-cdk-lib/assertions';
import type { Operation } from '../../lib/routes.ts';
import { resources } from './synthesize.ts';

/** Which function serves which operation: names that people type, so they stand here a second time. */
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

/** The functions that answer without a store, and those that have one. */
export const WITHOUT_STORE = ['OpenapiFunction', 'NotFoundFunction'];
export const WITH_STORE = Object.keys(FUNCTIONS).filter((id) => !WITHOUT_STORE.includes(id));

export interface Statement {
  Effect: string;
  Action: string | string[];
  Resource: unknown;
}

/** The service's own functions by logical id; the CDK adds some that help it to deploy. */
export function ourFunctions(template: Template): Record<string, Record<string, unknown>> {
  const all = resources(template, 'AWS::Lambda::Function');
  return Object.fromEntries(Object.keys(FUNCTIONS).map((id) => [id, all[id] ?? {}]));
}

/** The variables of a function. */
export function variablesOf(template: Template, id: string): Record<string, unknown> {
  const { Environment } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return (Environment as { Variables: Record<string, unknown> }).Variables;
}

/** All that a function may do. */
export function statementsOf(template: Template, id: string): Statement[] {
  const { Role } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return statementsOfRole(template, attributeOf(Role));
}

/** All that a role may do. @throws Error for a policy that is not written out in the template */
export function statementsOfRole(template: Template, roleId: string): Statement[] {
  const role = resources(template, 'AWS::IAM::Role')[roleId];
  if (!role || role.ManagedPolicyArns) throw new Error(`${roleId} is no role that says what it allows`);
  const inline = (role.Policies ?? []) as { PolicyDocument: { Statement: Statement[] } }[];
  const attached = Object.values(resources(template, 'AWS::IAM::Policy')).filter(({ Roles }) =>
    (Roles as { Ref: string }[]).some(({ Ref }) => Ref === roleId),
  ) as unknown as typeof inline;
  return [...inline, ...attached].flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
}

/** What one security group lets in or out, by reference to another one. */
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

/** The logical id of the security group that a function is in. @throws Error for one that is in no VPC */
export function securityGroupOf(template: Template, id: string): string {
  const { VpcConfig } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
  return attributeOf((VpcConfig as { SecurityGroupIds: unknown[] }).SecurityGroupIds[0]);
}

/** The logical id in `Fn::GetAtt`. */
export function attributeOf(value: unknown): string {
  return (value as { 'Fn::GetAtt': [string, string] })['Fn::GetAtt'][0];
}
