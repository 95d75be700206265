import { describe, expect, it } from 'vitest';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { BACKENDS, NETWORK, only, resources, synthesize } from './synthesize.ts';
import { FUNCTIONS, statementsOf, variablesOf } from './template.ts';

const PARAMETER = 'arn:aws:ssm:us-east-1:123456789012:parameter/cache/limits';
const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:limits-AbCdEf';
/** The functions of routes with a tenant. */
const LIMITED = Object.keys(FUNCTIONS).filter(
  (id) => !['HealthFunction', 'OpenapiFunction', 'NotFoundFunction', 'MeasureBackendFunction'].includes(id),
);

describe('limits of tenants in an SSM parameter', () => {
  const { template } = synthesize({ TENANT_LIMITS: PARAMETER });

  it('may be read by the functions of tenants, and by no other', () => {
    for (const id of Object.keys(FUNCTIONS)) {
      const reads = statementsOf(template, id).filter(({ Action }) => /ssm/.test(String(Action)));
      const expected = [{ Effect: 'Allow', Action: 'ssm:GetParameter', Resource: PARAMETER }];
      expect(reads, id).toEqual(LIMITED.includes(id) ? expected : []);
    }
    for (const id of Object.keys(FUNCTIONS)) {
      const expected = LIMITED.includes(id) ? PARAMETER : '';
      expect(variablesOf(template, id).TENANT_LIMITS, id).toBe(expected);
    }
  });

  it("are reached through an endpoint in the stack's network, which returns no other parameter", () => {
    const endpoint = only(template, 'AWS::EC2::VPCEndpoint');
    expect(endpoint).toMatchObject({
      VpcEndpointType: 'Interface',
      PrivateDnsEnabled: true,
      PolicyDocument: { Statement: [{ Effect: 'Allow', Action: 'ssm:GetParameter', Resource: PARAMETER }] },
    });
  });

  it('need no endpoint in an existing network, and for functions outside of a network', () => {
    for (const context of [NETWORK, BACKENDS.memory, BACKENDS.external]) {
      const { template } = synthesize({ ...context, TENANT_LIMITS: PARAMETER });
      expect(resources(template, 'AWS::EC2::VPCEndpoint')).toEqual({});
      expect(statementsOf(template, 'GetFunction')).toContainEqual(
        expect.objectContaining({ Action: 'ssm:GetParameter' }),
      );
    }
  });
});

it('a weight of sweeps needs no default rate if tenants have limits of their own', () => {
  const { template } = synthesize({ TENANT_LIMITS: PARAMETER, TENANT_SWEEP_WEIGHT: 5 });
  for (const id of Object.keys(FUNCTIONS)) {
    const expected = LIMITED.includes(id) ? '5' : '';
    expect(variablesOf(template, id).TENANT_SWEEP_WEIGHT, id).toBe(expected);
  }
});

it('limits of tenants in a secret may be read where the network has a route to it', () => {
  const { template } = synthesize({ ...BACKENDS.external, TENANT_LIMITS: SECRET });
  const read = statementsOf(template, 'GetFunction').find(
    ({ Action }) => Action === 'secretsmanager:GetSecretValue',
  );
  expect(read?.Resource).toContain(SECRET);
  for (const backend of [{}, BACKENDS['elasticache-nodes'], BACKENDS.dragonfly]) {
    expect(() => readSettings({ ...backend, TENANT_LIMITS: SECRET })).toThrow(
      'TENANT_LIMITS must be the ARN of an SSM parameter, or JSON',
    );
  }
  expect(() => readSettings({ ...NETWORK, TENANT_LIMITS: SECRET })).not.toThrow();
});

describe('limits of tenants as JSON', () => {
  it('may be an object in cdk.json, and need no permission', () => {
    const { template } = synthesize({ TENANT_LIMITS: { acme: { rps: 500 } }, TENANT_MAX_ENTRIES: 100_000 });
    expect(variablesOf(template, 'GetFunction')).toMatchObject({
      TENANT_LIMITS: '{"acme":{"rps":500}}',
      TENANT_MAX_ENTRIES: '100000',
    });
    expect(resources(template, 'AWS::EC2::VPCEndpoint')).toEqual({});
  });

  it('must fit into the variables of a function', () => {
    const tenants = Array.from({ length: 200 }, (_, i) => [`tenant-${i}`, { rps: 5 }]);
    expect(() => readSettings({ TENANT_LIMITS: Object.fromEntries(tenants) })).toThrow(
      'TENANT_LIMITS must have at most 2000 characters',
    );
  });

  it('must be valid', () => {
    expect(() => readSettings({ TENANT_LIMITS: '{"acme": {"rsp": 5}}' })).toThrow('TENANT_LIMITS.acme.rsp');
  });
});

describe('the alarm and the dashboard with limits of tenants', () => {
  const dashboardOf = (context: Record<string, unknown>) =>
    JSON.stringify(only(synthesize(context).template, 'AWS::CloudWatch::Dashboard').DashboardBody);
  const throttledOf = (context: Record<string, unknown>) =>
    Object.values(resources(synthesize(context).template, 'AWS::CloudWatch::Alarm')).find(({ AlarmName }) =>
      String(AlarmName).endsWith('Requests throttled'),
    );

  it('show what the limits evict and reject, only if there are any', () => {
    expect(dashboardOf({ TENANT_MAX_ENTRIES: '1000' })).toMatch(/LimitEvictions.*TENANT_RATE_LIMITED/s);
    expect(dashboardOf({})).not.toMatch(/LimitEvictions|TENANT_RATE_LIMITED/);
  });

  it('do not count requests that a limit rejects as throttled', () => {
    const metrics = JSON.stringify(throttledOf({ TENANT_MAX_REQUESTS_PER_SECOND: '100' })?.Metrics);
    expect(metrics).toContain('all - FILL(limited, 0)');
    expect(metrics).toContain('"Name":"code","Value":"TENANT_RATE_LIMITED"');
    expect(throttledOf({})).toMatchObject({ MetricName: 'Errors' });
  });
});
