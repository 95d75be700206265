import { functionEnvironment } from '../../infra/stack/environment.ts';
import { namespaceOf } from '../../infra/stack/metrics.ts';
import { runtimeEnvironment } from '../support/lambda/runtime-environment.ts';

/** Settings by name. */
export type Settings = Readonly<Record<string, string>>;

/**
 * Returns the environment of a deployed function: the URL of the backend, the namespace of the metrics, and defaults for all other
 * settings, so it logs at INFO.
 *
 * @param root the directory of its bundle
 * @param settings additional or replaced variables
 */
export function deployedEnvironment(
  name: string,
  root: string,
  backendUrl: string,
  settings: Settings = {},
): Record<string, string> {
  const given: Settings = {
    DRAGONFLY_URL: backendUrl,
    METRICS_NAMESPACE: namespaceOf('prod'),
    ...settings,
  };
  return {
    ...functionEnvironment((setting) => given[setting]),
    ...runtimeEnvironment({
      // Not used: the handler is called directly.
      api: '127.0.0.1:0',
      functionName: name,
      handler: `${name}.handler`,
      root,
      memoryMb: 512,
      region: 'eu-central-1',
    }),
  };
}
