import { Annotations, CfnOutput, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  CfnStage,
  CorsHttpMethod,
  type CorsPreflightOptions,
  DomainName,
  HttpApi,
  HttpMethod,
  HttpNoneAuthorizer,
  type HttpRoute,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { fallback, methodsOf, type Operation, routes } from '../../lib/routes.ts';
import { CORS } from '../cors.ts';
import { accessLogFields } from './access-log.ts';
import type { CacheFunctions } from './functions.ts';
import type { AuthorizationSettings, DeploymentSettings, Throttle } from './settings/types.ts';

type ApiSettings = Pick<
  DeploymentSettings,
  'authorization' | 'corsOrigins' | 'domain' | 'logRetentionDays' | 'sweepThrottle' | 'throttle'
>;

export interface CacheApiProps {
  functions: CacheFunctions;
  settings: ApiSettings;
}

/** A route whose limit differs from the stage's. */
interface LimitedRoute {
  route: HttpRoute;
  key: string;
  limit: Throttle;
}

/** Limit of routes without authorization: enough for monitors, and it bounds the cost of abuse. */
const OPEN_THROTTLE: Throttle = { rate: 10, burst: 20 };

/** The functions' variable for the JWT claim that contains the tenant. */
export function authorizationEnvironment({
  authorization,
}: Pick<DeploymentSettings, 'authorization'>): Record<string, string> {
  return { TENANT_CLAIM: authorization.kind === 'jwt' ? authorization.tenantClaim : '' };
}

/**
 * The HTTP API, created from the route table.
 *
 * Routes of tenants require the chosen authorization; routes without a tenant are open. HTTP APIs accept only TLS 1.2 and later.
 */
export class CacheApi extends Construct {
  readonly httpApi: HttpApi;
  /** The only stage, at the root of the URL. */
  readonly stage: HttpStage;
  /** One line of JSON per request, including rejected and throttled ones. */
  readonly accessLog: LogGroup;

  constructor(scope: Construct, id: string, { functions, settings }: CacheApiProps) {
    super(scope, id);
    const integration = (name: Operation) => new HttpLambdaIntegration(name, functions.targetOf(name));

    this.httpApi = new HttpApi(this, 'HttpApi', {
      description: 'cache-service',
      createDefaultStage: false,
      defaultAuthorizer: authorizer(settings.authorization),
      // Unknown routes (`$default`) require authorization too: otherwise strangers could cause invocations.
      defaultIntegration: integration(fallback.name),
      ...(settings.corsOrigins.length > 0 && { corsPreflight: cors(settings.corsOrigins) }),
    });
    if (settings.corsOrigins.length > 0) this.#openPreflight(integration(fallback.name));
    const limited: LimitedRoute[] = [];
    for (const row of routes) {
      const { name, paths, kind, tenant } = row;
      // A sweep loads the cache more than a thousand gets.
      const limit = tenant ? kind === 'sweep' && settings.sweepThrottle : OPEN_THROTTLE;
      const target = integration(name);
      // An HTTP API does not route HEAD to GET.
      const methods = methodsOf(row).map((method) => HttpMethod[method]);
      for (const path of paths) {
        const added = this.httpApi.addRoutes({
          path,
          methods,
          integration: target,
          ...(tenant ? {} : { authorizer: new HttpNoneAuthorizer() }),
        });
        if (!tenant) added.forEach(acknowledgeOpenRoute);
        if (limit) limited.push(...added.map((route, i) => ({ route, key: `${methods[i]} ${path}`, limit })));
      }
    }

    this.accessLog = new LogGroup(this, 'AccessLog', {
      // For other names, API Gateway adds each log group to a resource policy of the account, whose size is limited.
      logGroupName: `/aws/vendedlogs/apigateway/${Stack.of(this).stackName}`,
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.stage = this.#createStage(settings, limited);

    if (settings.authorization.kind === 'none') this.#warnOfOpenApi();
    if (settings.authorization.kind === 'iam') {
      new CfnOutput(this, 'InvokeArn', {
        value: this.httpApi.arnForExecuteApi(),
        description: 'Resource for execute-api:Invoke in the IAM policy of a caller',
      });
    }
    const url = settings.domain ? `https://${settings.domain.name}` : this.httpApi.apiEndpoint;
    new CfnOutput(this, 'Url', { value: url, description: 'URL of the service' });
  }

  /** A domain name that the DNS has to point to API Gateway: the stack does not know the zone. */
  #createDomain({ name, certificateArn }: NonNullable<ApiSettings['domain']>): DomainName {
    const domain = new DomainName(this, 'Domain', {
      domainName: name,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn),
    });
    new CfnOutput(this, 'DomainTarget', {
      value: domain.regionalDomainName,
      description: `Target of the DNS record of ${name}: a CNAME, or an alias in Route 53`,
    });
    return domain;
  }

  /**
   * API Gateway answers preflight requests itself, but only after authorization, and browsers send them without credentials.
   * Without this open route they would match `$default` and be rejected.
   */
  #openPreflight(integration: HttpLambdaIntegration): void {
    const added = this.httpApi.addRoutes({
      path: '/{proxy+}',
      methods: [HttpMethod.OPTIONS],
      integration,
      authorizer: new HttpNoneAuthorizer(),
    });
    added.forEach(acknowledgeOpenRoute);
  }

  #createStage({ throttle, authorization, domain }: ApiSettings, limited: LimitedRoute[]): HttpStage {
    const stage = new HttpStage(this, 'Stage', {
      httpApi: this.httpApi,
      autoDeploy: true,
      ...(domain && { domainMapping: { domainName: this.#createDomain(domain) } }),
      throttle: { rateLimit: throttle.rate, burstLimit: throttle.burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(this.accessLog),
        format: AccessLogFormat.custom(JSON.stringify(accessLogFields(authorization))),
      },
    });
    const resource = stage.node.defaultChild;
    if (!(resource instanceof CfnStage)) throw new Error('The stage is not a CfnStage');
    resource.routeSettings = Object.fromEntries(
      limited.map(({ key, limit: { rate, burst } }) => [
        key,
        { ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst },
      ]),
    );
    // API Gateway rejects settings of routes that do not exist yet.
    stage.node.addDependency(...limited.map(({ route }) => route));
    return stage;
  }

  #warnOfOpenApi(): void {
    Annotations.of(this).addWarningV2(
      'cache-service:open-api',
      'authorization=none: anybody who knows the URL can read, write and clear every tenant',
    );
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason: 'Chosen explicitly with authorization=none. Every synthesis warns that the API is open.',
    });
  }
}

function authorizer(settings: AuthorizationSettings): IHttpRouteAuthorizer {
  switch (settings.kind) {
    case 'iam':
      return new HttpIamAuthorizer();
    case 'jwt':
      return new HttpJwtAuthorizer('Jwt', settings.issuer, { jwtAudience: [...settings.audience] });
    case 'none':
      return new HttpNoneAuthorizer();
  }
}

function cors(origins: readonly string[]): CorsPreflightOptions {
  return {
    allowOrigins: [...origins],
    allowMethods: CORS.methods.map((method) => CorsHttpMethod[method]),
    allowHeaders: CORS.requestHeaders,
    exposeHeaders: CORS.responseHeaders,
    maxAge: Duration.seconds(CORS.maxAgeSeconds),
  };
}

function acknowledgeOpenRoute(route: HttpRoute): void {
  Validations.of(route).acknowledge({
    id: 'AwsSolutions-APIG4',
    reason:
      'The route serves no tenant, accepts no input and is throttled. Callers of health, OpenAPI and preflight requests have no credentials.',
  });
}
