import { fork } from 'node:child_process';
import { join } from 'node:path';

/** A function as a template describes it. */
export interface FunctionDescription {
  /** Its logical id. */
  name: string;
  /** The directory of its code. */
  root: string;
  /** `<module>.<export>` */
  handler: string;
  timeoutSeconds: number;
  memoryMb: number;
  /** The function's own variables. */
  environment: Record<string, string>;
}

/** A function that did not return. The name is the type that Lambda reports. */
export class InvocationError extends Error {
  constructor(type: string, message: string) {
    super(message);
    this.name = type;
  }
}

/** From the parent to the child process. */
export interface Invocation {
  modulePath: string;
  exportName: string;
  functionName: string;
  /** JSON text. */
  event: string;
  timeoutMs: number;
}

/** From the child process: the result as JSON text, or why there is none. */
export type InvocationResult = { result: string } | { errorType: string; errorMessage: string };

/** Lambda's own limit for the start of a function. */
const START_TIMEOUT_MS = 10_000;

/**
 * Runs a function once in a child process, which sees the function's variables and none of this process. What it writes to
 * stdout and stderr comes out of this process's stderr.
 *
 * @param event JSON text
 * @returns the function's result as JSON text
 * @throws InvocationError when its start fails, or it throws, exits, or takes longer than its timeout
 */
export function runOnce(description: FunctionDescription, event: string): Promise<string> {
  const { name, root, handler, environment, timeoutSeconds, memoryMb } = description;
  const [module = '', exportName = ''] = handler.split('.');
  const timeoutMs = timeoutSeconds * 1000;
  const child = fork(join(import.meta.dirname, 'child.ts'), {
    env: {
      ...environment,
      // These tell the service that it runs on Lambda. AWS credentials stay out: `--env-vars` passes what a function needs.
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
