import { randomUUID } from 'node:crypto';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { Config } from '../../config/config.ts';
import type { Environment } from '../../config/parse.ts';
import * as names from './names.ts';

/** Who it is that sends: this service, in this process. */
export function describeProcess(
  { serviceName, onLambda }: Pick<Config, 'serviceName' | 'onLambda'>,
  env: Environment,
): Resource {
  const attributes = {
    [ATTR_SERVICE_NAME]: serviceName,
    // Without it the counters of processes that run side by side would be taken for one that goes up and down.
    [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
    ...(onLambda && sandbox(env)),
  };
  return defaultResource().merge(resourceFromAttributes(attributes));
}

function sandbox(env: Environment): Record<string, string | number | undefined> {
  const memoryMb = Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE);
  return {
    [names.CLOUD_PROVIDER]: 'aws',
    [names.CLOUD_PLATFORM]: 'aws_lambda',
    [names.CLOUD_REGION]: env.AWS_REGION,
    [names.FAAS_NAME]: env.AWS_LAMBDA_FUNCTION_NAME,
    [names.FAAS_VERSION]: env.AWS_LAMBDA_FUNCTION_VERSION,
    [names.FAAS_INSTANCE]: env.AWS_LAMBDA_LOG_STREAM_NAME,
    [names.FAAS_MAX_MEMORY]: memoryMb > 0 ? memoryMb * 1024 ** 2 : undefined,
  };
}
