import { fork } from 'node:child_process';
import { join } from 'node:path';

/** A function in the synthesized template. */
export interface FunctionDescription {
  /** Logical id. */
  name: string;
  /** Directory of the code. */
  root: string;
  /** `<module>.<export>` */
  handler: string;
  timeoutSeconds: number;
  memoryMb: number;
  environment: Record<string, string>;
}

/** A failed invocation. `name` is the error type that Lambda reports. */
export class InvocationError extends Error {
  constructor(type: string, message: string) {
    super(message);
    this.name = type;
  }
}

/** Message from the parent to the child process. */
export interface Invocation {
  modulePath: string;
  exportName: string;
  functionName: string;
  /** JSON text. */
  event: string;
  timeoutMs: number;
}

/** Message from the child process. `result` is JSON text. */
export type InvocationResult = { result: string } | { errorType: string; errorMessage: string };

/** Lambda's limit for the init phase. */
const START_TIMEOUT_MS = 10_000;

/**
 * Runs a function once in a child process, with only the function's environment variables. Its stdout and stderr go to the stderr
 * of this process.
 *
 * @param event JSON text
 * @returns the function's result as JSON text
 * @throws InvocationError if the function fails to start, throws, exits, or exceeds its timeout
 */
export function runOnce(description: FunctionDescription, event: string): Promise<string> {
  const { name, root, handler, environment, timeoutSeconds, memoryMb } = description;
  const [module = '', exportName = ''] = handler.split('.');
  const timeoutMs = timeoutSeconds * 1000;
  const child = fork(join(import.meta.dirname, 'child.ts'), {
    env: {
      ...environment,
      // The service detects Lambda by these. AWS credentials are not inherited: pass them with `--env-vars`.
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_REGION: environment.AWS_REGION ?? 'us-east-1',
    },
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const modulePath = join(root, `${module}.mjs`);
  child.send({ modulePath, exportName, functionName: name, event, timeoutMs } satisfies Invocation);
  return new Promise<string>((resolve, reject) => {
    const fail = (type: string, message: string) => reject(new InvocationError(type, message));
    const timer = setTimeout(
      () => fail('Sandbox.Timedout', `The function took longer than ${timeoutSeconds} s`),
      START_TIMEOUT_MS + timeoutMs,
    );
    child.once('message', (message: InvocationResult) => {
      if ('result' in message) resolve(message.result);
      else fail(message.errorType, message.errorMessage);
    });
    child.once('error', (error) => fail('Runtime.ExitError', error.message));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail('Runtime.ExitError', `The function exited with ${signal ?? `code ${code}`}`);
    });
  }).finally(() => child.kill('SIGKILL'));
}
