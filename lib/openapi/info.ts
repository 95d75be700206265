import manifest from '../../package.json' with { type: 'json' };
import { MAX_BATCH, MAX_KEY_BYTES } from '../http/schemas.ts';
import type { Limits } from './limits.ts';

/** OpenAPI's Info Object: what holds for all operations. */
export function info(limits: Limits) {
  return {
    title: limits.serviceName,
    version: manifest.version,
    summary: 'A cache for many tenants, over REST.',
    description: description(limits),
    license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
  };
}

function description({ defaultTtlSeconds, maxTtlSeconds, maxValueBytes, tenantClaim }: Limits): string {
  const tenant = tenantClaim
    ? `Every request but those for the service itself is made in the name of the tenant in the token's claim \`${tenantClaim}\``
    : 'Every request but those for the service itself is made in the name of the tenant that `X-Tenant-ID` names';
  return `${tenant}; no other tenant can see, count or touch its entries.

**Limits.** A key has 1 to ${MAX_KEY_BYTES} bytes of UTF-8 without control characters, a value at most ${maxValueBytes} bytes of JSON, a batch ${MAX_BATCH} keys or items. An entry lives for 1 to ${maxTtlSeconds} seconds, ${defaultTtlSeconds} unless said otherwise; everything expires, and may be evicted before.

**Keys in URLs.** In a path a key is percent-encoded and takes one segment. One that holds \`/\` or \`?\`, or that is \`.\` or \`..\`, cannot stand in a path however it is encoded: give it as \`?key=\`, where a plus is a space, or in a batch.

**Values come back verbatim**: \`1.0\` stays \`1.0\`, and \`12345678901234567890\` keeps every digit, for callers that read it so.

**Failures** have \`success: false\` and an \`error\` with a stable \`code\`. A path that does not exist is answered with 404 \`NOT_FOUND\`, a method that the path does not accept with 405 \`METHOD_NOT_ALLOWED\` and \`Allow\`; a key that is not cached is a miss, with 200. Every request is safe to send again: after a 503 in \`Retry-After\` seconds, after a 500 or a lost connection with some patience, and after any other of these failures in vain. But a set whose answer was lost may still be on its way, and bring back what has been invalidated since.

**In front of the service** stands an HTTP server, which answers some requests by itself. The local one does so in the same form: 400 to what is no well-formed HTTP, 408 to what does not come in time, 413 to a body above 10 MiB, and 431 to a request line and headers above 10,240 bytes, the codes being \`VALIDATION_ERROR\` and \`PAYLOAD_TOO_LARGE\`. API Gateway answers with \`{"message": …}\` and none of the headers below: 400, 413 and 431 likewise, 401 and 403 to requests that it does not let through, 429 to too many of them, and 500 or 503 where the function could not be run or took too long.

**HEAD** is answered as GET, without the body.

**On the side.** Members of a body that are not described are ignored, but in an invalidation without a \`pattern\` they are refused, since one of them may be meant for it. Answers may gain members. A \`Content-Type\` that ends in \`+json\` will do as well.`;
}
