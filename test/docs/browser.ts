import { type Browser, chromium } from 'playwright-core';
import { findBrowser } from '../support/engines/find.ts';

/**
 * Starts the machine's own Chromium or Chrome without a window. It ends with this process at the latest, since it is driven by a
 * pipe; without a sandbox, since it sees nothing but pages of ours and root gets none.
 *
 * @throws Error that names the commands which would help where there is no browser
 */
export async function startBrowser(): Promise<Browser> {
  const { path } = await findBrowser();
  return chromium.launch({ executablePath: path, chromiumSandbox: false });
}
