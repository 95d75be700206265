import { describe, expect, it } from 'vitest';
import { BACKENDS, everyVariant, resources, synthesize } from './synthesize.ts';
import {
  attributeOf,
  FUNCTIONS,
  ourFunctions,
  type Statement,
  statementsOf,
  WITHOUT_STORE,
} from './template.ts';

describe('the permissions of a function', () => {
  it('allow writing its own log', () => {
    everyVariant((of) => {
      for (const [id, { LoggingConfig }] of Object.entries(ourFunctions(of))) {
        const { Ref } = (LoggingConfig as { LogGroup: { Ref: string } }).LogGroup;
        expect(statementsOf(of, id).filter(({ Action }) => String(Action).includes('logs:'))).toEqual([
          {
            Effect: 'Allow',
            Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
            Resource: { 'Fn::GetAtt': [Ref, 'Arn'] },
          },
        ]);
      }
    });
  });

  it('name their resources, except for network interfaces', () => {
    everyVariant((of, backend) => {
      for (const id of Object.keys(FUNCTIONS)) {
        const onAll = statementsOf(of, id).filter(({ Resource }) => JSON.stringify(Resource).includes('*'));
        const actions = onAll.flatMap(({ Action }: Statement) => Action);
        const inVpc = ourFunctions(of)[id]?.VpcConfig !== undefined;
        expect(actions.length > 0, `${backend} ${id}`).toBe(inVpc);
        for (const action of actions)
          expect(action).toMatch(/^ec2:\w+(NetworkInterfaces?|Subnets|PrivateIpAddresses)$/);
      }
    });
  });

  it('deny the code of functions what Lambda needs for their network interfaces', () => {
    everyVariant((of, backend) => {
      for (const id of Object.keys(FUNCTIONS)) {
        const network = statementsOf(of, id).filter(({ Action }) => JSON.stringify(Action).includes('ec2:'));
        const [allowed, denied, ...more] = network;
        expect(more, `${backend} ${id}`).toEqual([]);
        if (!allowed) continue;
        expect(allowed).toMatchObject({ Effect: 'Allow' });
        expect(allowed).not.toHaveProperty('Condition');
        expect(denied).toMatchObject({ Effect: 'Deny', Action: allowed.Action, Resource: '*' });
        expect(JSON.stringify(denied)).toMatch(
          /"Condition":\{"ArnLike":\{"lambda:SourceFunctionArn":.*:lambda:.*:function:\*"/,
        );
      }
    });
  });

  it('have the permissions boundary of the CDK context', () => {
    const { template: bounded } = synthesize({
      ...BACKENDS.dragonfly,
      trafficShift: 'Canary10Percent5Minutes',
      '@aws-cdk/core:permissionsBoundary': { name: 'developers' },
    });
    const roles = Object.entries(resources(bounded, 'AWS::IAM::Role'));
    expect(roles.length).toBeGreaterThan(Object.keys(FUNCTIONS).length);
    expect(roles.map(([id]) => id)).toContainEqual(expect.stringMatching(/^TrafficShift/));
    for (const [id, { PermissionsBoundary }] of roles) {
      expect(JSON.stringify(PermissionsBoundary), id).toMatch(/:policy\/developers"/);
    }
  });

  it('contain no wildcard actions', () => {
    everyVariant((of) => {
      for (const { PolicyDocument } of Object.values(resources(of, 'AWS::IAM::Policy'))) {
        for (const { Action } of (PolicyDocument as { Statement: Statement[] }).Statement) {
          for (const action of [Action].flat()) expect(action).not.toContain('*');
        }
      }
    });
  });

  it('allow only logging without a store', () => {
    everyVariant((of) => {
      for (const id of WITHOUT_STORE) expect(statementsOf(of, id), id).toHaveLength(1);
    });
  });

  it('belong to a role of this function only', () => {
    everyVariant((of) => {
      const roles = Object.values(ourFunctions(of)).map(({ Role }) => attributeOf(Role));
      expect(new Set(roles).size).toBe(roles.length);
    });
  });
});
