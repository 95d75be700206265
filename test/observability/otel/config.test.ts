import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../lib/config/config.ts';
import { readOtel } from '../../../lib/config/otel.ts';
import { ConfigError } from '../../../lib/config/parse.ts';

const on = { ENABLE_OTEL: 'true' };

describe('the settings of OpenTelemetry', () => {
  it('are undefined unless ENABLE_OTEL is true, even if other settings are invalid', () => {
    expect(readOtel({})).toBeUndefined();
    expect(readOtel({ ENABLE_OTEL: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' })).toBeUndefined();
    expect(readConfig({}).otel).toBeUndefined();
  });

  it('have the defaults of the specification if they are missing or empty', () => {
    const defaults = { endpoint: 'http://localhost:4318', headers: {}, share: 1, delta: false };
    expect(readOtel(on)).toEqual(defaults);
    expect(readConfig(on).otel).toEqual(defaults);
    const empty = {
      OTEL_EXPORTER_OTLP_ENDPOINT: '',
      OTEL_EXPORTER_OTLP_HEADERS: ' ',
      OTEL_TRACES_SAMPLER_ARG: '',
    };
    expect(readOtel({ ...on, ...empty })).toEqual(defaults);
  });

  it.each([
    ['https://otlp.example.com', 'https://otlp.example.com'],
    [' http://collector:4318/ ', 'http://collector:4318'],
    ['https://otlp.example.com/otlp//', 'https://otlp.example.com/otlp'],
    ['http://[::1]:4318', 'http://[::1]:4318'],
  ])('accept the endpoint %j and return %j', (given, endpoint) => {
    expect(readOtel({ ...on, OTEL_EXPORTER_OTLP_ENDPOINT: given })?.endpoint).toBe(endpoint);
  });

  it('decode percent-encoded headers and trim white space', () => {
    const given = 'Authorization=Basic%20dXNlcjpwYXNz, x-scope = a=b ,empty=';
    expect(readOtel({ ...on, OTEL_EXPORTER_OTLP_HEADERS: given })?.headers).toEqual({
      authorization: 'Basic dXNlcjpwYXNz',
      'x-scope': 'a=b',
      empty: '',
    });
  });

  it('accept a sampling ratio from 0 to 1 and both temporalities', () => {
    for (const [given, share] of [
      ['0', 0],
      ['1', 1],
      ['0.25', 0.25],
      ['.5', 0.5],
    ] as const) {
      expect(readOtel({ ...on, OTEL_TRACES_SAMPLER_ARG: given })?.share).toBe(share);
    }
    const temporality = (given: string) =>
      readOtel({ ...on, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: given })?.delta;
    expect([temporality('delta'), temporality('CUMULATIVE')]).toEqual([true, false]);
  });

  it.each([
    ['ENABLE_OTEL', 'yes'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'grpc://collector:4317'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://user:hunter2@collector'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://collector?token=hunter2'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'hunter2'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=b,'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'na me=hunter2'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'name=hunter2%'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'name=hunter2%0d%0aother: 1'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.1'],
    ['OTEL_TRACES_SAMPLER_ARG', '-0'],
    ['OTEL_TRACES_SAMPLER_ARG', '.'],
    ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'lowmemory'],
  ])('reject %s=%j with one line that has the name and no password', (name, given) => {
    const read = () => readConfig({ ...on, [name]: given });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(new RegExp(`^${name} [^\\n]+$`));
    expect(read).not.toThrow(/hunter2/);
  });
});
