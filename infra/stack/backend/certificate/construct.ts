import { join } from 'node:path';
import { AssetHashType, CustomResource, DockerImage, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Grant, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { buildSync } from 'esbuild';
import { grantValue } from '../secret-grant.ts';

export interface ServerCertificateProps {
  /** The name that the server goes by in its network. */
  hostName: string;
  /** Gets `certificate` and `key`, PEM, in place of all that it holds. */
  serverSecret: ISecret;
  /** Gets `ca`, PEM, beside what it holds. */
  clientSecret: ISecret;
  logRetentionDays: number;
}

/** Another value makes another certificate at the next deployment. One is good for ten years. */
const SERIAL = '1';

/** A certificate for a server's private name, made by a function at deployment and kept in secrets: never in the template. */
export class ServerCertificate extends Construct {
  /** Another one for every certificate: what depends on it is replaced together with it. */
  readonly fingerprint: string;

  constructor(scope: Construct, id: string, props: ServerCertificateProps) {
    super(scope, id);
    const { hostName, serverSecret, clientSecret } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    for (const secret of [serverSecret, clientSecret]) {
      Grant.addToPrincipal({
        grantee: role,
        actions: ['secretsmanager:PutSecretValue'],
        resourceArns: [secret.secretArn],
      });
    }
    grantValue(clientSecret, role);
    const maker = new LambdaFunction(this, 'Maker', {
      description: 'cache-service: makes the certificate of the cache at deployment',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: bundle(join(import.meta.dirname, 'handler.ts')),
      handler: 'index.handler',
      timeout: Duration.minutes(1),
      memorySize: 256,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
    const resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::ServerCertificate',
      serviceToken: maker.functionArn,
      serviceTimeout: Duration.minutes(5),
      properties: {
        HostName: hostName,
        ServerSecret: serverSecret.secretArn,
        ClientSecret: clientSecret.secretArn,
        Serial: SERIAL,
      },
    });
    // With the policy, which is not part of the function and would else come too late.
    resource.node.addDependency(role, maker);
    this.fingerprint = resource.getAttString('Fingerprint');
  }
}

/** Packs one file with what it imports, except for what the runtime brings. */
function bundle(entryPoint: string): Code {
  return Code.fromAsset(import.meta.dirname, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Never asked for: what comes first always does it.
      image: DockerImage.fromRegistry('none'),
      local: {
        tryBundle(outdir) {
          buildSync({
            entryPoints: [entryPoint],
            outfile: join(outdir, 'index.js'),
            bundle: true,
            // What it is made of requires Node's modules, which an ES module cannot do.
            format: 'cjs',
            platform: 'node',
            target: 'node24',
            minify: true,
            keepNames: true,
            external: ['@aws-sdk/*'],
            logLevel: 'warning',
          });
          return true;
        },
      },
    },
  });
}
