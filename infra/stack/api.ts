import { Annotations, CfnOutput, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  CfnStage,
  CorsHttpMethod,
  type CorsPreflightOptions,
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
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { fallback, methodsOf, type Operation, routes } from '../../lib/routes.ts';
import { CORS } from '../cors.ts';
import { accessLogFields } from './access-log.ts';
import type { CacheFunctions } from './functions.ts';
import type { AuthorizationSettings, DeploymentSettings, Throttle } from './settings/types.ts';

type ApiSettings = Pick<
  DeploymentSettings,
  'authorization' | 'corsOrigins' | 'logRetentionDays' | 'sweepThrottle' | 'throttle'
>;

export interface CacheApiProps {
  functions: CacheFunctions;
  settings: ApiSettings;
}

/** A route with a limit of its own. */
interface LimitedRoute {
  route: HttpRoute;
  key: string;
  limit: Throttle;
}

/** Of routes that anybody may call: enough for monitors, and little to pay for when somebody calls for nothing. */
const OPEN_THROTTLE: Throttle = { rate: 10, burst: 20 };

/** The functions' variables that tell them how callers are known: the claim of a token that names the tenant. */
export function authorizationEnvironment({
  authorization,
}: Pick<DeploymentSettings, 'authorization'>): Record<string, string> {
  return { TENANT_CLAIM: authorization.kind === 'jwt' ? authorization.tenantClaim : '' };
}

/**
 * The HTTP API, made from the route table and from nothing else.
 *
 * Closed by default: whatever says nothing else takes only requests that the chosen authorizer lets through. What serves no
 * tenant is open. API Gateway takes nothing but TLS, 1.2 and later, at the address of an HTTP API.
 */
export class CacheApi extends Construct {
  readonly httpApi: HttpApi;
  /** The one stage, at the root of the address. */
  readonly stage: HttpStage;
  /** One line of JSON for each request, those that were refused or throttled among them. */
  readonly accessLog: LogGroup;

  constructor(scope: Construct, id: string, { functions, settings }: CacheApiProps) {
    super(scope, id);
    const integration = (name: Operation) => new HttpLambdaIntegration(name, functions.of(name));

    this.httpApi = new HttpApi(this, 'HttpApi', {
      description: 'cache-service',
      createDefaultStage: false,
      defaultAuthorizer: authorizer(settings.authorization),
      // The `$default` route, and so behind the authorizer too: it would tell strangers nothing but cost us invocations.
      defaultIntegration: integration(fallback.name),
      ...(settings.corsOrigins.length > 0 && { corsPreflight: cors(settings.corsOrigins) }),
    });
    if (settings.corsOrigins.length > 0) this.#openPreflight(integration(fallback.name));
    const limited: LimitedRoute[] = [];
    for (const row of routes) {
      const { name, paths, kind, tenant } = row;
      // A sweep works the cache harder than a thousand gets.
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
      // API Gateway adds groups of other names one by one to a policy of the account that soon is full.
      logGroupName: `/aws/vendedlogs/apigateway/${Stack.of(this).stackName}`,
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.stage = this.#createStage(settings, limited);

    if (settings.authorization.kind === 'none') this.#warnOfOpenApi();
    if (settings.authorization.kind === 'iam') {
      new CfnOutput(this, 'InvokeArn', {
        value: this.httpApi.arnForExecuteApi(),
        description: 'The resource that a policy of a caller allows execute-api:Invoke on',
      });
    }
    new CfnOutput(this, 'Url', { value: this.httpApi.apiEndpoint, description: 'Where the service answers' });
  }

  /**
   * API Gateway answers what a browser asks before its request by itself, but only where it would let that through; and
   * browsers ask without credentials. Without a route of its own it would be for `$default`, and so be refused.
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

  #createStage({ throttle, authorization }: ApiSettings, limited: LimitedRoute[]): HttpStage {
    const stage = new HttpStage(this, 'Stage', {
      httpApi: this.httpApi,
      autoDeploy: true,
      throttle: { rateLimit: throttle.rate, burstLimit: throttle.burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(this.accessLog),
        format: AccessLogFormat.custom(JSON.stringify(accessLogFields(authorization))),
      },
    });
    const resource = stage.node.defaultChild;
    if (!(resource instanceof CfnStage)) throw new Error('A stage is one resource');
    resource.routeSettings = Object.fromEntries(
      limited.map(({ key, limit: { rate, burst } }) => [
        key,
        { ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst },
      ]),
    );
    // API Gateway refuses settings of routes that are not there yet.
    stage.node.addDependency(...limited.map(({ route }) => route));
    return stage;
  }

  #warnOfOpenApi(): void {
    Annotations.of(this).addWarningV2(
      'cache-service:open-api',
      'authorization=none: anybody who knows the address can read, write and clear every tenant',
    );
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason:
        'Asked for by name with authorization=none, and a warning at every synthesis says what it means.',
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
      'Serves no tenant, takes no input and is throttled: who asks whether the service is up, or how it is to be called, holds no credentials.',
  });
}
