/** The data of a function that appear in the variables of the runtime. */
export interface RuntimeOptions {
  /** `host:port` of the Runtime API. */
  api: string;
  functionName: string;
  /** `<module>.<export>`, as in the template. */
  handler: string;
  /** The directory of the module. */
  root: string;
  memoryMb: number;
  region: string;
}

/** Returns the variables that Lambda adds to a function's environment, as far as they matter here. */
export function runtimeEnvironment(options: RuntimeOptions): Record<string, string> {
  const { api, functionName, handler, root, memoryMb, region } = options;
  return {
    AWS_LAMBDA_RUNTIME_API: api,
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_FORMAT: 'JSON',
    AWS_LAMBDA_LOG_LEVEL: 'TRACE',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: '2026/03/12/[$LATEST]5e1f8a3c',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    LAMBDA_TASK_ROOT: root,
    _HANDLER: handler,
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
  };
}
