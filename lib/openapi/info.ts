import manifest from '../../package.json' with { type: 'json' };
import { MAX_BATCH, MAX_KEY_BYTES, MAX_TAG_BYTES, MAX_TAGS } from '../http/schemas.ts';
import type { Limits } from './components.ts';

/** OpenAPI's Info Object: what applies to all operations. */
export function info(limits: Limits) {
  return {
    title: limits.serviceName,
    version: manifest.version,
    summary: 'A multi-tenant cache over REST.',
    description: description(limits),
    license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
  };
}

function description({ defaultTtlSeconds, maxTtlSeconds, maxValueBytes, tenantClaim }: Limits): string {
  const tenant = tenantClaim ? `the token's claim \`${tenantClaim}\`` : 'the header `X-Tenant-ID`';
  return `Every request belongs to a tenant, except the requests for the service itself. The tenant is ${tenant}. A tenant cannot see, count or change the entries of another tenant.

**Limits.** A key has 1 to ${MAX_KEY_BYTES} bytes of UTF-8 without control characters, a value at most ${maxValueBytes} bytes of JSON, a batch at most ${MAX_BATCH} keys or items, an entry at most ${MAX_TAGS} tags of 1 to ${MAX_TAG_BYTES} bytes each. The TTL of an entry is 1 to ${maxTtlSeconds} seconds, ${defaultTtlSeconds} unless the request contains one. Every entry expires, and may be evicted before.

**Keys in URLs.** In a path a key is percent-encoded and takes one segment. A key that contains \`/\` or \`?\`, or that is \`.\` or \`..\`, cannot be sent in a path: send it as \`?key=\`, where a plus is a space, or in a batch.

**Values are returned verbatim**: \`1.0\` stays \`1.0\`, and \`12345678901234567890\` keeps every digit for callers whose JSON parser does.

**Failures** have \`success: false\` and an \`error\` with a stable \`code\`. An unknown path gets 404 \`NOT_FOUND\`. A method that the path does not accept gets 405 \`METHOD_NOT_ALLOWED\` and \`Allow\`. A key that is not cached is a miss, which has the status 200. Every request is safe to send again: after a 503 when \`Retry-After\` seconds have passed, after a 500 or a lost connection with a growing pause. After any other failure the same request fails again. A set whose response was lost may still be under way, and can apply after a later invalidation unless it has a lease.

**The HTTP server in front of the service** responds to some requests by itself. The local server uses the same envelope: 400 for malformed HTTP, 408 for a request that does not arrive in time, 413 for a body above 10 MiB, and 431 for a request line and headers above 10,240 bytes, with the codes \`VALIDATION_ERROR\` and \`PAYLOAD_TOO_LARGE\`. API Gateway responds with \`{"message": …}\` and without the headers below: also with 400, 413 and 431; with 401 and 403 when it denies a request; with 429 when it throttles; and with 500 or 503 when the function could not run or took too long.

**HEAD** gets the response of GET without the body.

**Compatibility.** Unknown members of a body are ignored, with two exceptions: misspelled members are rejected, and so are unknown members of an invalidation without a \`pattern\` and \`tags\`. Responses may gain members.`;
}
