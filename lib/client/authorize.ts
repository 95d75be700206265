import { check, checkString } from './checks.ts';

/** A request that is about to go out. */
export interface Outgoing {
  method: string;
  /** Absolute. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Empty where there is none. */
  body: string;
}

/**
 * Gives the headers that let a request in. It is asked anew for each request, retries as well; what it throws the call ends
 * with.
 */
export type Authorize = (request: Outgoing) => Record<string, string> | Promise<Record<string, string>>;

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
