import type { Template } from 'aws-cdk-lib/assertions';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { CORS } from '../../infra/cors.ts';
import { authorizationEnvironment } from '../../infra/stack/api.ts';
import { fallback, type Operation, routes } from '../../lib/routes.ts';
import { accessLogOf } from './access-log.ts';
import { AUTHORIZATIONS, BACKENDS, only, resources, synthesize } from './synthesize.ts';
import { attributeOf, FUNCTIONS } from './template.ts';

const variants = Object.entries(AUTHORIZATIONS).map(([authorization, context]) => ({
  authorization,
  ...synthesize({ ...BACKENDS.memory, ...context }),
}));
const [iam, jwt, none] = variants as [Variant, Variant, Variant];
type Variant = (typeof variants)[number];

/** The route keys in API Gateway's format. */
const keysOf = (which: (route: (typeof routes)[number]) => boolean) =>
  routes
    .filter(which)
    .flatMap(({ method, paths }) => paths.flatMap((path) => verbs(method).map((verb) => `${verb} ${path}`)));
/** The methods of the routes for a method: HTTP APIs need a separate route for HEAD. */
const verbs = (method: string) => (method === 'GET' ? ['GET', 'HEAD'] : [method]);
const OPEN = keysOf(({ tenant }) => !tenant);
const CLOSED = [...keysOf(({ tenant }) => tenant), ...fallback.paths];
const SWEEPS: Operation[] = ['invalidate', 'clear-tenant'];

const routesOf = (template: Template) =>
  Object.values(resources(template, 'AWS::ApiGatewayV2::Route')) as {
    RouteKey: string;
    AuthorizationType: string;
    AuthorizerId?: { Ref: string };
  }[];
const stageOf = (template: Template) => only(template, 'AWS::ApiGatewayV2::Stage');
const outputsOf = (template: Template) => Object.keys(template.findOutputs('*'));

describe('authorization', () => {
  it('is tested with at least one open and one closed route', () => {
    expect(OPEN).toEqual(['GET /health', 'HEAD /health', 'GET /openapi.json', 'HEAD /openapi.json']);
    expect(CLOSED).toContain('$default');
    expect(CLOSED.length).toBeGreaterThan(6);
  });

  it('is IAM by default, on every route with a tenant and on $default', () => {
    const { template } = synthesize(BACKENDS.memory);
    const closed = routesOf(template).filter(({ AuthorizationType }) => AuthorizationType === 'AWS_IAM');
    expect(closed.map(({ RouteKey }) => RouteKey).sort()).toEqual([...CLOSED].sort());
  });

  it('is JWT on the same routes with authorization=jwt', () => {
    const [id] = Object.keys(resources(jwt.template, 'AWS::ApiGatewayV2::Authorizer'));
    const closed = routesOf(jwt.template).filter(({ AuthorizationType }) => AuthorizationType === 'JWT');
    expect(closed.map(({ RouteKey }) => RouteKey).sort()).toEqual([...CLOSED].sort());
    for (const { RouteKey, AuthorizerId } of closed) expect(AuthorizerId, RouteKey).toEqual({ Ref: id });
  });

  it('accepts tokens of the issuer for one of the audiences, from the Authorization header', () => {
    expect(only(jwt.template, 'AWS::ApiGatewayV2::Authorizer')).toMatchObject({
      AuthorizerType: 'JWT',
      IdentitySource: ['$request.header.Authorization'],
      JwtConfiguration: { Audience: ['cache', 'other'], Issuer: 'https://login.example.com/' },
    });
  });

  it.each(variants)(
    'is missing only on routes without a tenant, or on all routes with authorization=none: $authorization',
    (variant) => {
      const open = routesOf(variant.template).filter(({ AuthorizationType }) => AuthorizationType === 'NONE');
      const expected = variant.authorization === 'none' ? [...OPEN, ...CLOSED] : OPEN;
      expect(open.map(({ RouteKey }) => RouteKey).sort()).toEqual(expected.sort());
    },
  );

  it('adds a warning to the synthesis with authorization=none only', () => {
    const warnings = ({ stack }: Variant) =>
      Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('anybody who knows the URL'));
    expect(warnings(none)).toHaveLength(1);
    expect(warnings(iam)).toEqual([]);
    expect(warnings(jwt)).toEqual([]);
  });

  it.each(variants)('sets TENANT_CLAIM in the functions with jwt only: $authorization', (variant) => {
    const claim = variant.authorization === 'jwt' ? 'tenant_id' : '';
    const functions = Object.values(resources(variant.template, 'AWS::Lambda::Function'));
    const variables = functions.map(
      ({ Environment }) => (Environment as { Variables: Record<string, string> }).Variables,
    );
    expect(variables).toHaveLength(routes.length + 1);
    for (const { TENANT_CLAIM } of variables) expect(TENANT_CLAIM).toBe(claim);
  });

  it('sets TENANT_CLAIM from jwtTenantClaim', () => {
    const authorization = {
      kind: 'jwt',
      issuer: 'https://a',
      audience: ['b'],
      tenantClaim: 'custom:org',
    } as const;
    expect(authorizationEnvironment({ authorization })).toEqual({ TENANT_CLAIM: 'custom:org' });
  });

  it('outputs the resource for the policies of IAM callers', () => {
    const outputs = Object.entries(iam.template.findOutputs('*'));
    const [, output] = outputs.find(([name]) => name.startsWith('ApiInvokeArn')) ?? [];
    expect(JSON.stringify(output?.Value)).toMatch(/:execute-api:.*\/\*\/\*\/\*"/);
    expect(outputsOf(jwt.template).filter((name) => name.startsWith('ApiInvokeArn'))).toEqual([]);
  });
});

describe('the domain name', () => {
  const domainName = 'cache.example.com';
  const certificateArn =
    'arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555';
  const { template } = synthesize({ ...BACKENDS.memory, domainName, certificateArn });

  it('is created with its certificate, and mapped to the only stage', () => {
    expect(only(template, 'AWS::ApiGatewayV2::DomainName')).toMatchObject({
      DomainName: domainName,
      DomainNameConfigurations: [{ CertificateArn: certificateArn, EndpointType: 'REGIONAL' }],
    });
    const [api] = Object.keys(resources(template, 'AWS::ApiGatewayV2::Api'));
    expect(only(template, 'AWS::ApiGatewayV2::ApiMapping')).toMatchObject({
      ApiId: { Ref: api },
      DomainName: { Ref: expect.any(String) },
      Stage: '$default',
    });
  });

  it('is the URL in the outputs, with the target of its DNS record', () => {
    const outputs = Object.entries(template.findOutputs('*'));
    const outputOf = (name: string) => outputs.find(([key]) => key.startsWith(name))?.[1].Value;
    expect(outputOf('ApiUrl')).toBe(`https://${domainName}`);
    expect(outputOf('ApiDomainTarget')).toMatchObject({
      'Fn::GetAtt': [expect.any(String), 'RegionalDomainName'],
    });
  });

  it('is not there without domainName', () => {
    expect(resources(iam.template, 'AWS::ApiGatewayV2::DomainName')).toEqual({});
  });
});

describe('the access log', () => {
  it.each(variants)(
    'has one line of JSON per request, whose fields are variables of API Gateway: $authorization',
    ({ template }) => {
      const { fields } = accessLogOf(template);
      for (const [name, value] of Object.entries(fields)) {
        expect(value, name).toMatch(/^\$context\.[a-zA-Z]+(\.\w+)*$/);
      }
      expect(fields).toMatchObject({
        id: '$context.requestId',
        route: '$context.routeKey',
        status: '$context.status',
        bytes: '$context.responseLength',
        ms: '$context.responseLatency',
        error: '$context.error.message',
        ip: '$context.identity.sourceIp',
      });
    },
  );

  it('contains the caller with IAM, and the tenant and the subject of the token with JWT', () => {
    expect(accessLogOf(iam.template).fields).toMatchObject({ caller: '$context.identity.userArn' });
    expect(accessLogOf(jwt.template).fields).toMatchObject({
      tenant: '$context.authorizer.claims.tenant_id',
      subject: '$context.authorizer.claims.sub',
    });
    expect(accessLogOf(none.template).fields).not.toHaveProperty('caller');
    expect(accessLogOf(none.template).fields).not.toHaveProperty('tenant');
  });

  it('omits the tenant if its claim is not a valid variable name', () => {
    const { template } = synthesize({
      ...BACKENDS.memory,
      ...AUTHORIZATIONS.jwt,
      jwtTenantClaim: 'https://example.com/tenant',
    });
    expect(JSON.stringify(accessLogOf(template).fields)).not.toContain('example.com');
  });

  it('is kept for logRetentionDays and removed with the stack', () => {
    const { template } = synthesize({ ...BACKENDS.memory, logRetentionDays: 7 });
    expect(accessLogOf(template).group).toMatchObject({ RetentionInDays: 7 });
    for (const { DeletionPolicy } of Object.values(template.findResources('AWS::Logs::LogGroup'))) {
      expect(DeletionPolicy).toBe('Delete');
    }
  });

  it('has a name with the prefix /aws/vendedlogs/', () => {
    expect(accessLogOf(iam.template).group).toMatchObject({
      LogGroupName: '/aws/vendedlogs/apigateway/CacheService',
    });
  });
});

describe('throttling', () => {
  const context = {
    ...BACKENDS.memory,
    throttleRate: 500,
    throttleBurst: 800,
    sweepThrottleRate: 5,
    sweepThrottleBurst: 6,
  };
  const { template } = synthesize(context);

  const limits = (keys: string[], limit: object) => Object.fromEntries(keys.map((key) => [key, limit]));

  it("has the settings' limits on the stage", () => {
    expect(stageOf(template).DefaultRouteSettings).toEqual({
      ThrottlingRateLimit: 500,
      ThrottlingBurstLimit: 800,
    });
  });

  it('is lower for sweeps and for open routes, and for no other route', () => {
    const sweeps = keysOf(({ name }) => SWEEPS.includes(name));
    expect(sweeps).toHaveLength(2);
    expect(stageOf(template).RouteSettings).toEqual({
      ...limits(sweeps, { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 6 }),
      ...limits(OPEN, { ThrottlingRateLimit: 10, ThrottlingBurstLimit: 20 }),
    });
  });

  it('has lower default limits for sweeps and open routes', () => {
    const { DefaultRouteSettings, RouteSettings } = stageOf(iam.template) as {
      DefaultRouteSettings: { ThrottlingRateLimit: number };
      RouteSettings: Record<string, { ThrottlingRateLimit: number }>;
    };
    for (const { ThrottlingRateLimit } of Object.values(RouteSettings)) {
      expect(ThrottlingRateLimit).toBeLessThan(DefaultRouteSettings.ThrottlingRateLimit / 10);
    }
  });

  it('is created after the routes that it refers to', () => {
    const [stage] = Object.values(template.findResources('AWS::ApiGatewayV2::Stage'));
    const first: string[] = stage?.DependsOn ?? [];
    const keys = Object.entries(resources(template, 'AWS::ApiGatewayV2::Route'))
      .filter(([id]) => first.includes(id))
      .map(([, { RouteKey }]) => RouteKey);
    expect(keys.sort()).toEqual(Object.keys(stageOf(template).RouteSettings as object).sort());
  });
});

describe('the API', () => {
  it('may invoke every function, as the only principal', () => {
    const permissions = Object.values(resources(iam.template, 'AWS::Lambda::Permission')).filter(
      ({ FunctionName }) => attributeOf(FunctionName) !== 'MeasureBackendFunction',
    );
    const invocable = permissions.map(({ FunctionName }) => attributeOf(FunctionName));
    expect([...new Set(invocable)].sort()).toEqual(Object.keys(FUNCTIONS).sort());
    for (const permission of permissions) {
      expect(permission).toMatchObject({
        Action: 'lambda:InvokeFunction',
        Principal: 'apigateway.amazonaws.com',
      });
      expect(permission).toHaveProperty('SourceArn');
    }
  });

  it('has exactly the routes of the table, each with its own function', () => {
    const table = [
      ...routes.flatMap(({ name, method, paths }) =>
        (method === 'GET' ? ['GET', 'HEAD'] : [method]).flatMap((verb) =>
          paths.map((path) => [`${verb} ${path}`, name]),
        ),
      ),
      ...fallback.paths.map((path) => [path, fallback.name]),
    ];
    const integrations = resources(iam.template, 'AWS::ApiGatewayV2::Integration');
    const served = Object.values(resources(iam.template, 'AWS::ApiGatewayV2::Route')).map(
      ({ RouteKey, Target }) => {
        const [, { Ref }] = (Target as { 'Fn::Join': [string, [string, { Ref: string }]] })['Fn::Join'][1];
        const { IntegrationUri, PayloadFormatVersion } = integrations[Ref] ?? {};
        expect(PayloadFormatVersion).toBe('2.0');
        return [RouteKey, FUNCTIONS[attributeOf(IntegrationUri)]];
      },
    );
    expect(served.sort()).toEqual(table.sort());
    expect(Object.keys(resources(iam.template, 'AWS::ApiGatewayV2::Api'))).toHaveLength(1);
  });

  it('runs the function of GET for HEAD', () => {
    const all = Object.values(resources(iam.template, 'AWS::ApiGatewayV2::Route')) as {
      RouteKey: string;
      Target: unknown;
    }[];
    const gets = all.filter(({ RouteKey }) => RouteKey.startsWith('GET '));
    expect(gets).toHaveLength(6);
    for (const { RouteKey, Target } of gets) {
      const head = all.find((route) => route.RouteKey === RouteKey.replace('GET', 'HEAD'));
      expect(head?.Target, RouteKey).toEqual(Target);
    }
  });

  it.each(variants)(
    'has its default address, and deploys changes automatically: $authorization',
    ({ template }) => {
      expect(only(template, 'AWS::ApiGatewayV2::Api')).not.toHaveProperty('DisableExecuteApiEndpoint', true);
      expect(stageOf(template)).toMatchObject({ AutoDeploy: true, StageName: '$default' });
      expect(outputsOf(template).filter((name) => name.startsWith('ApiUrl'))).toHaveLength(1);
    },
  );

  it('has no CORS configuration by default', () => {
    expect(only(iam.template, 'AWS::ApiGatewayV2::Api')).not.toHaveProperty('CorsConfiguration');
    expect(routesOf(iam.template).filter(({ RouteKey }) => RouteKey.startsWith('OPTIONS'))).toEqual([]);
  });

  // Without a route for OPTIONS, `$default` would match the preflight request, and its authorizer rejects requests without credentials.
  it.each(['iam', 'jwt', 'none'] as const)(
    'accepts preflight requests without credentials: %s',
    (authorization) => {
      const { template } = synthesize({
        ...BACKENDS.memory,
        ...AUTHORIZATIONS[authorization],
        corsOrigins: 'https://a.example',
      });
      const asked = routesOf(template).filter(({ RouteKey }) => RouteKey.startsWith('OPTIONS'));
      expect(asked).toMatchObject([{ RouteKey: 'OPTIONS /{proxy+}', AuthorizationType: 'NONE' }]);
    },
  );

  it('allows the methods and headers of every request to pages of corsOrigins', () => {
    const { template } = synthesize({
      ...BACKENDS.memory,
      corsOrigins: 'https://a.example,https://b.example',
    });
    const { CorsConfiguration } = only(template, 'AWS::ApiGatewayV2::Api') as {
      CorsConfiguration: Record<string, string[]>;
    };
    expect(CorsConfiguration).toMatchObject({
      AllowOrigins: ['https://a.example', 'https://b.example'],
      AllowMethods: ['DELETE', 'GET', 'HEAD', 'POST'],
      AllowHeaders: CORS.requestHeaders,
      ExposeHeaders: ['ratelimit', 'ratelimit-policy', 'retry-after', 'x-correlation-id', 'x-request-id'],
      MaxAge: 3600,
    });
    expect(CorsConfiguration.AllowHeaders).toEqual(
      expect.arrayContaining([
        'authorization',
        'content-type',
        'x-tenant-id',
        'x-correlation-id',
        'x-request-id',
        'traceparent',
        'tracestate',
      ]),
    );
  });
});
