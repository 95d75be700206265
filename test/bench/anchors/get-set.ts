import { handler as get } from '../../../functions/get.ts';
import { handler as set } from '../../../functions/set.ts';
import { missThenSet } from '../miss.ts';

/** A miss without a lease. */
export const handler = missThenSet(get, set);
