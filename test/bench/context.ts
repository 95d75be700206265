import type { Context } from 'aws-lambda';

/** The context of an invocation, as far as Lambda's own runtime fills it in and functions read it. */
export const context = {
  callbackWaitsForEmptyEventLoop: true,
  functionName: 'cache-prod-function',
  functionVersion: '$LATEST',
  invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:cache-prod-function',
  memoryLimitInMB: '512',
  awsRequestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
  logGroupName: '/aws/lambda/cache-prod-function',
  logStreamName: '2026/03/12/[$LATEST]5e1f8a3c',
  getRemainingTimeInMillis: () => 5000,
} satisfies Partial<Context>;
