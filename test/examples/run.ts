import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The exit code and the output of a program. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url));

/** Runs a program in this directory, with additional environment variables. @throws Error if it does not exit by itself */
export function run(command: string, args: string[], env: Record<string, string>): Promise<Ended> {
  const options = { cwd: DIRECTORY, env: { ...process.env, ...env }, timeout: 100_000 };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}
