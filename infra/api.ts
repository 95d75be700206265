import { CfnOutput } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpNoneAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { fallback, type Operation, routes } from '../lib/http/routes.ts';
import type { CacheFunctions } from './functions.ts';

export interface CacheApiProps {
  functions: CacheFunctions;
}

/**
 * The HTTP API, made from the route table and from nothing else.
 *
 * Closed by default: whatever says nothing else takes only requests signed with AWS credentials that may invoke it. What
 * serves no tenant is open.
 */
export class CacheApi extends Construct {
  readonly httpApi: HttpApi;

  constructor(scope: Construct, id: string, { functions }: CacheApiProps) {
    super(scope, id);
    const integration = (name: Operation) => new HttpLambdaIntegration(name, functions.of(name));

    this.httpApi = new HttpApi(this, 'HttpApi', {
      description: 'cache-service',
      defaultAuthorizer: new HttpIamAuthorizer(),
      // The `$default` route, and so behind the authorizer too: it would tell strangers nothing but cost us invocations.
      defaultIntegration: integration(fallback.name),
    });
    for (const { name, method, paths, tenant } of routes) {
      const target = integration(name);
      for (const path of paths) {
        this.httpApi.addRoutes({
          path,
          methods: [HttpMethod[method]],
          integration: target,
          ...(tenant ? {} : { authorizer: new HttpNoneAuthorizer() }),
        });
      }
    }

    new CfnOutput(this, 'Url', { value: this.httpApi.apiEndpoint, description: 'Where the service answers' });
  }
}
