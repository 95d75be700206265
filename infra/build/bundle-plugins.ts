import { readFile } from 'node:fs/promises';
import { STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { CLIENT_COMMANDS, STORE_COMMANDS } from '../../lib/store/redis/connection/commands.ts';

/** esbuild plugins that remove what functions would load in every cold start and never run. */

/** Middy's helpers import `node:http` for the names of statuses only. Loading it takes a seventh of a cold start. */
const onlyStatusCodes: Plugin = {
  name: 'only-status-codes',
  setup({ onResolve, onLoad }) {
    const namespace = 'status-codes';
    onResolve({ filter: /^node:http$/ }, ({ path, importer }) =>
      importer.includes(join('@middy', 'util')) ? { path, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, () => ({
      contents: `export const STATUS_CODES = ${JSON.stringify(STATUS_CODES)};`,
    }));
  },
};

/** ioredis creates two methods for each of 400 commands, from a table that is an eighth of its code. Keeps the commands in use. */
const onlyUsedCommands: Plugin = {
  name: 'only-used-commands',
  setup({ onLoad }) {
    const used = new Set<string>([...STORE_COMMANDS, ...CLIENT_COMMANDS]);
    onLoad({ filter: /@ioredis[\\/]commands[\\/]built[\\/]commands\.json$/ }, async ({ path }) => {
      const table: Record<string, unknown> = JSON.parse(await readFile(path, 'utf8'));
      const rows = Object.entries(table).filter(([command]) => used.has(command));
      if (rows.length < used.size) throw new Error(`ioredis lacks one of ${[...used].join(', ')}`);
      return { contents: JSON.stringify(Object.fromEntries(rows)), loader: 'json' };
    });
  },
};

/** A plugin that replaces a CommonJS module. */
function replacing(name: string, filter: RegExp, contents: string): Plugin {
  return { name, setup: ({ onLoad }) => onLoad({ filter }, () => ({ contents })) };
}

/** ioredis imports a package for debug output on a terminal. */
const noDebugging = replacing(
  'no-debugging',
  /node_modules[\\/]debug[\\/]src[\\/]index\.js$/,
  'exports.default = () => Object.assign(() => {}, { enabled: false });',
);

/** ioredis contains old certificates of Redis Cloud and a client of Redis Sentinel. The service uses neither. */
const noOtherServices = replacing(
  'no-other-services',
  /ioredis[\\/]built[\\/](constants[\\/]TLSProfiles|connectors[\\/]SentinelConnector[\\/]index)\.js$/,
  'exports.default = {};',
);

const himportFunctions = [
  ...['cloneHimportFieldsets', 'bindHimportCoordinator', 'unbindHimportCoordinator', 'getHimportBinding'],
  ...['interceptHimportCommand', 'interceptHimportPipeline', 'interceptHimportControlCommand'],
  ...['setHimportRole', 'isInternalHimportCommand', 'isHimportControlCommand'],
];

/** ioredis coordinates connections for HIMPORT, which the service does not use. */
const noImports = replacing(
  'no-imports',
  /ioredis[\\/]built[\\/]himport[\\/]HimportCoordinator\.js$/,
  [
    'exports.default = class {};',
    "exports.hasHimportCoordinator = Symbol('none');",
    ...himportFunctions.map((name) => `exports.${name} = () => undefined;`),
  ].join('\n'),
);

/** The OpenAPI document imports package.json for the version only. */
const onlyVersion: Plugin = {
  name: 'only-version',
  setup({ initialOptions, onLoad }) {
    const manifest = join(initialOptions.absWorkingDir ?? '', 'package.json');
    onLoad({ filter: /[\\/]package\.json$/ }, async ({ path }) => {
      if (path !== manifest) return undefined;
      const { version } = JSON.parse(await readFile(path, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

/** Removes indentation and comments of the Lua scripts, which minifiers do not: texts in quotes. */
const compactScripts: Plugin = {
  name: 'compact-scripts',
  setup({ onLoad }) {
    onLoad({ filter: /lib[\\/]store[\\/]redis[\\/]scripts[\\/]/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      return { contents: source.replaceAll(/^ +/gm, '').replaceAll(/^--.*\n/gm, ''), loader: 'ts' };
    });
  },
};

export const bundlePlugins: Plugin[] = [
  compactScripts,
  onlyVersion,
  onlyStatusCodes,
  onlyUsedCommands,
  noDebugging,
  noOtherServices,
  noImports,
];
