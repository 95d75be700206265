import { hostileBytes } from '../generate/bytes.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import { type Answer, read } from '../oracle/answer.ts';
import { fire } from '../wire/barrage.ts';
import { KeptConnection } from '../wire/connection.ts';
import { Caller, type Outcome } from './caller.ts';
import { named, newName } from './names.ts';
import { assertSeries } from './property.ts';
import { type Attack, RULES } from './requests.ts';
import { Tally } from './tally.ts';

/**
 * Attacks a service with bytes of which many are no HTTP: whatever it answers has to be of the contract's form, and a tenant in
 * whose name nothing is asked keeps what it has.
 *
 * @throws Error of fast-check
 */
export async function attackByBytes({ port, series, seed }: Attack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const bystander = newName();
  const connection = new KeptConnection(port);
  const caller = new Caller((request) => connection.send(request), RULES, outcome);
  const kept = await caller.fill(bystander, COMMON_KEYS);
  try {
    await assertSeries(
      hostileBytes,
      async (volley) => {
        const own = newName();
        const shots = volley.map((bytes) => Buffer.from(named(bytes, own, bystander), 'latin1'));
        const answers = await Promise.all(shots.map((bytes) => fire(port, bytes)));
        for (const [index, given] of answers.entries())
          countAll(given, outcome.tally, volley[index] as string);
        await caller.lookAt(kept);
      },
      { numRuns: series, seed },
    );
  } finally {
    connection.close();
  }
  return outcome;
}

function countAll(answers: Answer[], tally: Tally, bytes: string): void {
  if (answers.length === 0) tally.count({ status: 0, ms: 0 }, 'no answer', () => '');
  for (const answer of answers)
    tally.count(answer, outcomeOf(answer), () => JSON.stringify(bytes.slice(0, 60)));
}

/** Checks an answer to who knows what, and says in a word or two what it is. */
export function outcomeOf(answer: Answer): string {
  const { status, openapi } = answer.status === 200 ? JSON.parse(answer.body) : {};
  const open = status === 'healthy' ? 'health' : openapi === undefined ? undefined : 'openapi';
  const told = read(answer, undefined, open !== undefined);
  if (open) return open;
  return told !== 'nothing' && 'refusal' in told ? told.refusal : String(answer.status);
}
