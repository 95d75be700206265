import type { Fetch, FetchRequest } from '../../lib/client/index.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';

const { code: BUSY } = new BackendUnavailableError();

/** How often something is tried where the backend is well, and a failure to reach it in time means that the machine is busy. */
export const MOST_TRIES = 5;

/** Whether an answer, by its text, or an error, by its code, says that the backend was not reached in time. */
export function isBusy(said: string | undefined): boolean {
  return said !== undefined && (said === BUSY || said.includes(`"code":"${BUSY}"`));
}

/** A client's `fetch` for a backend that is well. */
export const patientFetch: Fetch = async (url: string, request: FetchRequest) => {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url, request);
    if (tries >= MOST_TRIES || !isBusy(await answer.clone().text())) return answer;
  }
};
