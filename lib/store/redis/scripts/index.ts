/** All scripts, from which the permissions are derived that the store needs. The store imports single files. */
export * from './clear.ts';
export * from './lease.ts';
export * from './limits.ts';
export * from './rate.ts';
export * from './read.ts';
export * from './remove.ts';
export * from './set.ts';
export * from './touch.ts';
export * from './usage.ts';
