/** Settings of deployments, for the tests that read settings. */

export const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:dragonfly-AbCdEf';
export const EXTERNAL = { backend: 'external', externalSecretArn: SECRET };
export const VPC = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0, subnet-12345678',
  securityGroupId: 'sg-0123456789abcdef0',
};
export const NODES = { backend: 'elasticache-nodes' };
export const GROUP = 'arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:sessions';
export const IAM = {
  backend: 'external',
  externalIamCache: 'arn:aws:elasticache:eu-west-1:123456789012:serverlesscache:my-cache',
  externalIamUrl: 'valkeys://cache-1@my-cache-x.serverless.euw1.cache.amazonaws.com:6379?cluster=true',
  ...VPC,
};
export const COLLECTOR = { ...EXTERNAL, otelEndpoint: 'https://otlp.example.com' };
export const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:on-call';
export const DOMAIN = {
  domainName: 'cache.example.com',
  certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555',
};
export const JWT = {
  authorization: 'jwt',
  jwtIssuer: 'https://login.example.com/',
  jwtAudience: 'cache, other',
};
