/**
 * All external programs that the tests use, except Node, npm and those of every POSIX system (sh, env, tar).
 *
 * On Debian, as root, missing programs are installed. In a test run only the global setup installs, before the first test: an
 * installation therefore never counts against a test's timeout, nor leaves a file in a test's directory. Other processes, such as
 * `npm run bench`, install a program when they look for it.
 */
import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { canInstall, installDebianPackages } from './install.ts';
import { onPath } from './path.ts';

/** The tests that use each role, as path prefixes relative to the project's root. */
export const usedBy = {
  cache: ['test/'],
  cluster: ['test/'],
  broker: ['test/nats/', 'test/faults/scenarios.test.ts', 'test/support/engines/nats.test.ts', 'test/bench/'],
  browser: ['test/docs/', 'test/client/browser.long.test.ts'],
  webdis: ['test/bench/'],
  python: ['test/client/python', 'test/examples/'],
  curl: ['test/examples/'],
  'redis-cli': ['test/infra/endpoint-container.test.ts'],
} as const;

/** The purpose of a program. */
export type Role = keyof typeof usedBy;

interface Row {
  command: string;
  roles: readonly Role[];
  /** Packages with the program, by package manager. Only packages that all supported releases have. */
  packages: { 'apt-get'?: string; dnf?: string; brew?: string };
}

/** All programs with their roles. For each role, preferred programs come first. */
const table = [
  // Not for clusters: Dragonfly alone can only emulate a cluster of one node. Real clusters need a control plane.
  { command: 'dragonfly', roles: ['cache'], packages: {} },
  { command: 'valkey-server', roles: ['cache', 'cluster'], packages: { dnf: 'valkey', brew: 'valkey' } },
  { command: 'redis-server', roles: ['cache', 'cluster'], packages: { 'apt-get': 'redis-server' } },
  { command: 'nats-server', roles: ['broker'], packages: { 'apt-get': 'nats-server', brew: 'nats-server' } },
  { command: 'chromium', roles: ['browser'], packages: { 'apt-get': 'chromium', dnf: 'chromium' } },
  { command: 'chromium-browser', roles: ['browser'], packages: {} },
  { command: 'google-chrome', roles: ['browser'], packages: {} },
  { command: 'google-chrome-stable', roles: ['browser'], packages: {} },
  { command: 'Google Chrome', roles: ['browser'], packages: { brew: '--cask google-chrome' } },
  { command: 'webdis', roles: ['webdis'], packages: { 'apt-get': 'webdis', brew: 'webdis' } },
  {
    command: 'python3',
    roles: ['python'],
    packages: { 'apt-get': 'python3', dnf: 'python3', brew: 'python' },
  },
  { command: 'curl', roles: ['curl'], packages: { 'apt-get': 'curl', dnf: 'curl', brew: 'curl' } },
  { command: 'redis-cli', roles: ['redis-cli'], packages: { 'apt-get': 'redis-tools', brew: 'redis' } },
] as const satisfies readonly Row[];

export type ProgramName = (typeof table)[number]['command'];
type Candidate = Row & { command: ProgramName };

/** A program on this machine. */
export interface Program {
  name: ProgramName;
  /** Absolute path of the executable. */
  path: string;
}

/**
 * Finds the engine for a single server: Dragonfly, Valkey or Redis, in this order of preference.
 *
 * @throws Error with the commands that install one
 */
export function findEngine(): Promise<Program> {
  return find('cache');
}

/** Finds the engine for a cluster: Valkey or Redis. Otherwise like {@link findEngine}. */
export function findClusterEngine(): Promise<Program> {
  return find('cluster');
}

/** Finds the event broker: NATS. Otherwise like {@link findEngine}. */
export function findBroker(): Promise<Program> {
  return find('broker');
}

/** Finds the browser: Chromium or Chrome. Otherwise like {@link findEngine}. */
export function findBrowser(): Promise<Program> {
  return find('browser');
}

/**
 * Additional directories to search. Debian installs some servers in directories that only root has on its PATH, and macOS does
 * not add applications to the PATH.
 */
const USUAL_PLACES = ['/usr/local/sbin', '/usr/sbin', '/Applications/Google Chrome.app/Contents/MacOS'];

const usualPath = () => [process.env.PATH ?? '', ...USUAL_PLACES].join(delimiter);

/**
 * Returns the first program in the table that has the role and is installed. Outside of a test run, a missing program is
 * installed if possible.
 *
 * @param path directories to search, in the format of the PATH variable
 * @throws Error with the commands that install one
 */
export async function find(role: Role, path = usualPath()): Promise<Program> {
  const present = await firstOnPath(role, path);
  if (present) return present;
  // Processes that tests start inherit the variable.
  if (!process.env.VITEST) await install([role], path);
  const installed = await firstOnPath(role, path);
  if (installed) return installed;
  throw new Error(await explainMissing(role, path));
}

/**
 * Installs the missing programs that the test files use. If that is impossible or fails, the tests that look for the program fail
 * or are skipped.
 *
 * @param files paths relative to the project's root
 */
export async function installFor(files: readonly string[], path?: string): Promise<void> {
  const roles = Object.keys(usedBy) as Role[];
  const used = roles.filter((role) =>
    usedBy[role].some((start) => files.some((file) => file.startsWith(start))),
  );
  await install(used, path);
}

async function install(roles: readonly Role[], path = usualPath()): Promise<void> {
  if (!(await canInstall(path))) return;
  const missing = new Set<string>();
  for (const role of roles) {
    if (await firstOnPath(role, path)) continue;
    for (const { packages } of candidatesFor(role)) if (packages['apt-get']) missing.add(packages['apt-get']);
  }
  if (missing.size > 0) await installDebianPackages([...missing]);
}

function candidatesFor(role: Role): Candidate[] {
  return table.filter(({ roles }: Row) => roles.includes(role));
}

async function firstOnPath(role: Role, path: string): Promise<Program | undefined> {
  for (const { command } of candidatesFor(role)) {
    const executable = await onPath(command, path);
    if (executable) return { name: command, path: executable };
  }
  return undefined;
}

/** Returns the version that an engine or a browser reports. */
export async function versionOf({ path }: Program): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version']);
  return /(?:\bv[= ]?|\s)(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

/** Returns one line, because it is also the reason of a skipped test. */
async function explainMissing(role: Role, path: string): Promise<string> {
  const candidates = candidatesFor(role);
  const commands = candidates.map(({ command }) => command).join(', ');
  const help = candidates
    .flatMap(({ packages }) => Object.entries(packages))
    .map(([installer, name]) => `${installer === 'brew' ? '' : 'sudo '}${installer} install ${name}`);
  const missing = candidates.length === 1 ? `${commands} is not` : `none of ${commands} is`;
  const reason = (await canInstall(path))
    ? 'was not installed (apt-get failed, or test/support/engines/find.ts does not list the test)'
    : 'could not be installed (only root with apt-get can)';
  return `${missing} on the PATH, and ${reason}; install one with: ${help.join('; ')}`;
}
