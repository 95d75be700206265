import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support/markdown.ts';

/** The exit code and the output of a program. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

const TIMEOUT_MS = 390_000;

/** Runs `python3`, which finds the package `cache_service`. @throws Error if it does not exit by itself */
export function runPython(args: string[], env: Record<string, string>, cwd = ROOT): Promise<Ended> {
  const options = {
    cwd,
    env: {
      ...process.env,
      PYTHONPATH: join(ROOT, 'lib', 'client', 'python'),
      // Beside the sources, the compiled files would become part of the package.
      PYTHONPYCACHEPREFIX: join(ROOT, 'node_modules', '.cache', 'python'),
      ...env,
    },
    timeout: TIMEOUT_MS,
    maxBuffer: 16 * 1024 ** 2,
  };
  return new Promise((resolve, reject) => {
    execFile('python3', args, options, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}
