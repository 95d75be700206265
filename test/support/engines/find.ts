/**
 * Every outside program that tests use, beyond Node, npm and what a POSIX system always has. Tests find programs here and nowhere
 * else. What is missing is installed where nobody has to be asked, on Debian as root: in a test run before the first test, by the
 * global setup, so that no test waits for an installation or finds its traces; in any other process when it is looked for.
 */
import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { canInstall, installDebianPackages } from './install.ts';
import { onPath } from './path.ts';

/** Where the tests of each role are, as beginnings of paths from the project's root. */
const usedBy = {
  cache: ['test/'],
  cluster: ['test/'],
  broker: ['test/nats/', 'test/faults/events/', 'test/support/engines/nats.test.ts', 'test/bench/'],
  browser: ['test/docs/', 'test/client/browser.test.ts'],
  webdis: ['test/bench/'],
  python: ['test/examples/'],
  curl: ['test/examples/'],
  'redis-cli': ['test/infra/endpoint-container.test.ts'],
} as const;

/** What a test may want a program for. */
export type Role = keyof typeof usedBy;

interface Row {
  command: string;
  roles: readonly Role[];
  /** The packages that hold it, by the command that installs them; only where every release in use has them. */
  packages: { 'apt-get'?: string; dnf?: string; brew?: string };
}

/** Every program that can take a role, the preferred ones first. */
const table = [
  // Not a cluster of its own: Dragonfly emulates one node's view of a cluster, and leaves real ones to a control plane.
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
  /** The executable's whole path. */
  path: string;
}

/**
 * The engine that a single server runs on: Dragonfly, Valkey or Redis, the first of them in this order that is on the PATH.
 *
 * @throws Error that names the commands which would help
 */
export function findEngine(): Promise<Program> {
  return find('cache');
}

/** The engine that a cluster runs on: Valkey or Redis. Otherwise as {@link findEngine}. */
export function findClusterEngine(): Promise<Program> {
  return find('cluster');
}

/** What events go to: NATS. Otherwise as {@link findEngine}. */
export function findBroker(): Promise<Program> {
  return find('broker');
}

/** What shows pages: Chromium or Chrome. Otherwise as {@link findEngine}. */
export function findBrowser(): Promise<Program> {
  return find('browser');
}

/**
 * Where else programs are: Debian puts servers that it takes for the administrator's where their PATH alone has them, and macOS
 * has no PATH for what has windows.
 */
const USUAL_PLACES = ['/usr/local/sbin', '/usr/sbin', '/Applications/Google Chrome.app/Contents/MacOS'];

const usualPath = () => [process.env.PATH ?? '', ...USUAL_PLACES].join(delimiter);

/**
 * The first program in the table that has the role. Outside of a test run it is installed where that is possible.
 *
 * @param path where to look, in the form of the PATH variable
 * @throws Error that names the commands which would help
 */
export async function find(role: Role, path = usualPath()): Promise<Program> {
  const present = await firstOnPath(role, path);
  if (present) return present;
  // The processes that tests start are part of the run as well.
  if (!process.env.VITEST) await install([role], path);
  const installed = await firstOnPath(role, path);
  if (installed) return installed;
  throw new Error(await explainMissing(role, path));
}

/**
 * Installs the programs that test files use and this machine lacks, where that is possible. The tests of what is still missing
 * fail or are skipped, and say why.
 *
 * @param files paths from the project's root
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

/** What an engine or a browser says that its version is. */
export async function versionOf({ path }: Program): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version']);
  return /(?:\bv[= ]?|\s)(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

/** One line, which also stands as the reason of a skipped test. */
async function explainMissing(role: Role, path: string): Promise<string> {
  const candidates = candidatesFor(role);
  const commands = candidates.map(({ command }) => command).join(', ');
  const help = candidates
    .flatMap(({ packages }) => Object.entries(packages))
    .map(([installer, name]) => `${installer === 'brew' ? '' : 'sudo '}${installer} install ${name}`);
  const missing = candidates.length === 1 ? `${commands} is not` : `none of ${commands} is`;
  const reason = (await canInstall(path))
    ? 'was not installed (apt-get may have failed, or test/support/engines/find.ts does not name the test)'
    : 'cannot be installed without asking (that takes root and apt-get)';
  return `${missing} on the PATH, and ${reason}; one of these helps: ${help.join('; ')}`;
}
