import { join } from 'node:path';
import { CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Grant, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogLevel, NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { grantSecretValue } from '../index.ts';

export interface ServerCertificateProps {
  /** The server's DNS name. */
  hostName: string;
  /** Its value is replaced by `certificate` and `key`, both PEM. */
  serverSecret: ISecret;
  /** Its value gets the member `ca`, PEM. */
  clientSecret: ISecret;
  logRetentionDays: number;
}

/** Change it to create a new certificate at the next deployment. Certificates are valid for ten years. */
const SERIAL = '1';

/** A certificate for a private DNS name. A function creates it at deployment and stores it in secrets, never in the template. */
export class ServerCertificate extends Construct {
  /** Changes with the certificate, so that resources that contain it are replaced. */
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
    grantSecretValue(clientSecret, role);
    const maker = new NodejsFunction(this, 'Maker', {
      description: 'cache-service: creates the certificate of the cache at deployment',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      entry: join(import.meta.dirname, 'handler.ts'),
      bundling: { target: 'node24', minify: true, keepNames: true, logLevel: LogLevel.WARNING },
      awsSdkConnectionReuse: false,
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
    // Includes the role's policy, which would otherwise be created too late.
    resource.node.addDependency(role, maker);
    this.fingerprint = resource.getAttString('Fingerprint');
  }
}
