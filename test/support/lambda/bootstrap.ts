import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { flushCompileCache } from 'node:module';
import { pathToFileURL } from 'node:url';

/**
 * Emulates Lambda's Node runtime in a sandbox: it loads the handler that `_HANDLER` names, then requests one event after another
 * from the Runtime API. The process ends when the Runtime API closes its connection.
 */

const { AWS_LAMBDA_RUNTIME_API: api = '', LAMBDA_TASK_ROOT: root = '', _HANDLER = '' } = process.env;

type Handler = (event: unknown, context: object) => Promise<unknown>;

interface Reply {
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

/** Calls the Runtime API. There is no timeout, because the next event may arrive at any time. */
function call(method: 'GET' | 'POST', path: string, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`http://${api}/2018-06-01/runtime/${path}`, { method }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () =>
        resolve({ headers: incoming.headers, body: Buffer.concat(chunks).toString() }),
      );
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function loadHandler(): Promise<Handler> {
  const [moduleName = '', handlerName = ''] = _HANDLER.split('.');
  // Try files with an extension as well; a directory may have the name of the function.
  const path = ['', '.js', '.mjs', '.cjs']
    .map((extension) => `${root}/${moduleName}${extension}`)
    .find(existsSync);
  if (!path) throw new Error(`Cannot find module '${moduleName}'`);
  const handler: unknown = (await import(pathToFileURL(path).href))[handlerName];
  if (typeof handler !== 'function') throw new Error(`${_HANDLER} is undefined or not exported`);
  if (handler.length > 2) throw new Error('The runtime does not support handlers with callbacks');
  return handler as Handler;
}

function contextOf(headers: Reply['headers']): object {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    xRayTraceId: headers['lambda-runtime-trace-id'],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function describe(error: unknown): string {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return JSON.stringify({ errorType: name, errorMessage: message, trace: stack?.split('\n') });
}

async function serve(handler: Handler): Promise<never> {
  for (;;) {
    const { headers, body } = await call('GET', 'invocation/next');
    const id = String(headers['lambda-runtime-aws-request-id']);
    try {
      const result = await handler(JSON.parse(body), contextOf(headers));
      await call('POST', `invocation/${id}/response`, JSON.stringify(result ?? null));
    } catch (error) {
      await call('POST', `invocation/${id}/error`, describe(error));
    }
  }
}

// Write the compile cache of this file now: Node writes it at exit, but a sandbox is killed.
flushCompileCache();
let handler: Handler;
try {
  handler = await loadHandler();
} catch (error) {
  await call('POST', 'init/error', describe(error));
  process.exit(1);
}
await serve(handler);
