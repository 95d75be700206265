import { expect, onTestFinished, test } from 'vitest';
import { startNats } from './nats.ts';

test('a NATS server on a port that another one has is an error with its own words in it', async () => {
  const first = await startNats();
  onTestFinished(() => first.stop());
  await expect(startNats({ port: first.port })).rejects.toThrow(/address already in use/);
});
