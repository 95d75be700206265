import type { DeploymentSettings } from './settings/types.ts';

/** What stands at the top of the dashboard: what is normal, and where to go from what is not. Markdown. */
export function dashboardText({ stage, backend, throttle, sweepThrottle }: DeploymentSettings): string {
  return [
    `# cache-service, stage ${stage}, backend ${backend.kind}`,
    '**Normal:**',
    '- get, set and delete take a few milliseconds in the function. What is slower waits for the cache, a second at the most; callers see cold starts as well.',
    '- invalidate and clear take as long as the tenant is large, 29 s at the most. They raise the p99 of all answers when they are many.',
    '- The hit rate is flat from hour to hour. It falls after a deployment of the cache, after a clear, and when memory is short.',
    '- No answers of 500 and above, no invocation without an answer. 400, 401, 403 and 404 are mistakes of callers.',
    `- Throttled with 429: above ${throttle.rate} requests a second to one route, invalidate and clear above ${sweepThrottle.rate}.`,
    '- Memory may stay near its limit: the cache evicts what is used least. It is short when evictions rise and the hit rate falls.',
    '',
    "**Not normal:** the alarm's description says what to look at first. Runbook: docs/operations.md#alarms",
  ].join('\n');
}
