import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { canInstall, installDebianPackage } from './install.ts';
import { onPath } from './path.ts';

/** What a test may want an engine for. */
export type Role = 'cache' | 'cluster' | 'broker' | 'browser';

interface Row {
  command: string;
  roles: readonly Role[];
  /** The packages that hold it, by the command that installs them; only where every release in use has them. */
  packages: { 'apt-get'?: string; dnf?: string; brew?: string };
}

/** Every engine that tests can run on, the preferred ones first. */
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
] as const satisfies readonly Row[];

export type EngineName = (typeof table)[number]['command'];
type Candidate = Row & { command: EngineName };

/** An engine on this machine. */
export interface Engine {
  name: EngineName;
  /** The executable's whole path. */
  path: string;
  version: string;
}

/**
 * The engine that a single server runs on: Dragonfly, Valkey or Redis, the first of them in this order that is on the PATH.
 * Where there is none, one is installed if that can be done without asking anybody.
 *
 * @throws Error that names the commands which would help
 */
export function findEngine(): Promise<Engine> {
  return find('cache');
}

/** The engine that a cluster runs on: Valkey or Redis. Otherwise as {@link findEngine}. */
export function findClusterEngine(): Promise<Engine> {
  return find('cluster');
}

/** What events go to: NATS. Otherwise as {@link findEngine}. */
export function findBroker(): Promise<Engine> {
  return find('broker');
}

/** What shows pages: Chromium or Chrome. Otherwise as {@link findEngine}. */
export function findBrowser(): Promise<Engine> {
  return find('browser');
}

/**
 * Where else engines are: Debian puts servers that it takes for the administrator's where their PATH alone has them, and macOS
 * has no PATH for what has windows.
 */
const USUAL_PLACES = ['/usr/local/sbin', '/usr/sbin', '/Applications/Google Chrome.app/Contents/MacOS'];

/**
 * The first engine in the table that has the role.
 *
 * @param path where to look, in the form of the PATH variable
 */
export async function find(
  role: Role,
  path = [process.env.PATH ?? '', ...USUAL_PLACES].join(delimiter),
): Promise<Engine> {
  const candidates = table.filter(({ roles }: Row) => roles.includes(role));
  const present = await firstOnPath(candidates, path);
  if (present) return present;

  for (const { command, packages } of candidates as Candidate[]) {
    const debianPackage = packages['apt-get'];
    if (debianPackage === undefined || !(await canInstall(path))) continue;
    await installDebianPackage(command, debianPackage);
    const installed = await firstOnPath(candidates, path);
    if (installed) return installed;
  }
  throw new Error(explainMissing(role, candidates));
}

async function firstOnPath(candidates: readonly Candidate[], path: string): Promise<Engine | undefined> {
  for (const { command } of candidates) {
    const executable = await onPath(command, path);
    if (executable) return { name: command, path: executable, version: await versionOf(executable) };
  }
  return undefined;
}

async function versionOf(executable: string): Promise<string> {
  const { stdout } = await promisify(execFile)(executable, ['--version']);
  return /(?:\bv[= ]?|\s)(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

function explainMissing(role: Role, candidates: readonly Candidate[]): string {
  const kind = role === 'browser' ? 'browser' : 'server';
  const commands = candidates.map(({ command }) => command).join(', ');
  const help = candidates
    .flatMap(({ packages }) => Object.entries(packages))
    .map(([installer, name]) => `  ${installer === 'brew' ? '' : 'sudo '}${installer} install ${name}`);
  return [
    `The tests need a real ${kind}, and none of ${commands} is on the PATH.`,
    'None could be installed from here either, which takes root and apt-get. One of these helps:',
    ...help,
  ].join('\n');
}
