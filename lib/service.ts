import { openStore } from './cache/open.ts';
import { config, log } from './settings.ts';

export { config };

/** This process's store, connected during the start where the backend can be reached. */
export const store = await openStore(config, log);
