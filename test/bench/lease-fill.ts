import { handler as lease } from '../../functions/lease.ts';
import { handler as set } from '../../functions/set.ts';
import { missThenSet } from './miss.ts';

/** A miss that gets the lease, and the set with its token. */
export const handler = missThenSet(lease, set);
