import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '../report.ts';
import { invalidation } from './invalidation.ts';
import { type Plot, toSvg } from './plot.ts';
import { requests } from './requests.ts';

/** All plots. */
export const plots: readonly Plot[] = [invalidation, requests];

/**
 * Draws each plot for which the run has samples as `<name>.svg`.
 *
 * @returns the paths of the written files
 */
export async function drawPlots(report: Report, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const files: string[] = [];
  for (const plot of plots) {
    const spec = plot.draw(report);
    if (spec === undefined) continue;
    const file = join(directory, `${plot.name}.svg`);
    await writeFile(file, `${await toSvg(spec)}\n`);
    files.push(file);
  }
  return files;
}
