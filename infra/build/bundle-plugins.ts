import { readFile } from 'node:fs/promises';
import { STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { CLIENT_COMMANDS, STORE_COMMANDS } from '../../lib/store/redis/connection/commands.ts';

/** What keeps code out of the functions that they load in every cold start and never run. */

/**
 * Middy's helpers take the names of HTTP's statuses from `node:http`, for which a function that speaks no HTTP would load
 * Node's server, clients and workers: a seventh of its cold start. They get the names alone.
 */
const statusCodesAlone: Plugin = {
  name: 'status-codes-alone',
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

/**
 * ioredis makes two methods of each of some four hundred commands when it is loaded, from a table that takes an eighth of the
 * code. It gets the rows of the commands that are sent.
 */
const commandsThatAreSent: Plugin = {
  name: 'commands-that-are-sent',
  setup({ onLoad }) {
    const sent = new Set<string>([...STORE_COMMANDS, ...CLIENT_COMMANDS]);
    onLoad({ filter: /@ioredis[\\/]commands[\\/]built[\\/]commands\.json$/ }, async ({ path }) => {
      const table: Record<string, unknown> = JSON.parse(await readFile(path, 'utf8'));
      const rows = Object.entries(table).filter(([command]) => sent.has(command));
      if (rows.length < sent.size) throw new Error(`ioredis does not know all of ${[...sent].join(', ')}`);
      return { contents: JSON.stringify(Object.fromEntries(rows)), loader: 'json' };
    });
  },
};

/** ioredis's lines for debugging come from a package that looks for a terminal and its colours; a function has none. */
const noDebugging: Plugin = {
  name: 'no-debugging',
  setup({ onResolve, onLoad }) {
    const namespace = 'no-debugging';
    onResolve({ filter: /^debug$/ }, ({ path, importer }) =>
      importer.includes(join('node_modules', 'ioredis')) ? { path, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, () => ({
      contents: 'exports.default = () => Object.assign(() => {}, { enabled: false });',
    }));
  },
};

/** ioredis knows Redis Cloud's old certificates by name, and Redis Sentinel: nothing here asks for either. */
const noOtherServices: Plugin = {
  name: 'no-other-services',
  setup({ onLoad }) {
    const unused =
      /ioredis[\\/]built[\\/](constants[\\/]TLSProfiles|connectors[\\/]SentinelConnector[\\/]index)\.js$/;
    onLoad({ filter: unused }, () => ({ contents: 'exports.default = {};' }));
  },
};

/** ioredis coordinates the connections that import hashes by HIMPORT, which the service never does. */
const noImports: Plugin = {
  name: 'no-imports',
  setup({ onLoad }) {
    const functions = [
      ...['cloneHimportFieldsets', 'bindHimportCoordinator', 'unbindHimportCoordinator', 'getHimportBinding'],
      ...['interceptHimportCommand', 'interceptHimportPipeline', 'interceptHimportControlCommand'],
      ...['setHimportRole', 'isInternalHimportCommand', 'isHimportControlCommand'],
    ];
    const contents = [
      'exports.default = class {};',
      "exports.hasHimportCoordinator = Symbol('none');",
      ...functions.map((name) => `exports.${name} = () => undefined;`),
    ].join('\n');
    onLoad({ filter: /ioredis[\\/]built[\\/]himport[\\/]HimportCoordinator\.js$/ }, () => ({ contents }));
  },
};

/** The description of the API tells the version, which is in a file with much else. */
const versionAlone: Plugin = {
  name: 'version-alone',
  setup({ initialOptions, onLoad }) {
    const manifest = join(initialOptions.absWorkingDir ?? '', 'package.json');
    onLoad({ filter: /[\\/]package\.json$/ }, async ({ path }) => {
      if (path !== manifest) return undefined;
      const { version } = JSON.parse(await readFile(path, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

export const lean: Plugin[] = [
  versionAlone,
  statusCodesAlone,
  commandsThatAreSent,
  noDebugging,
  noOtherServices,
  noImports,
];
