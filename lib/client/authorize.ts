import { check, checkString } from './checks.ts';
import type { Authorize } from './types.ts';

/**
 * Sends a bearer token such as a JWT. A function is asked for each request, and so may keep a token until it is old.
 *
 * @throws TypeError for a token that is no string, such as a variable that is not set
 */
export function bearer(token: string | (() => string | Promise<string>)): Authorize {
  check(typeof token === 'string' || typeof token === 'function', 'token must be a string or a function');
  return async () => {
    const current = typeof token === 'string' ? token : await token();
    checkString('token', current);
    return { authorization: `Bearer ${current}` };
  };
}
