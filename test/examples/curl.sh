#!/bin/sh
# The three uses with nothing but curl (7.76 or later): an agent's answer, a search's result and embeddings, a model's
# response. `sh curl.sh` runs them against the service at CACHE_URL, with stand-ins for the models that tell on stderr what
# they are asked. The second time they are asked less.
#
# CACHE_CURL_ARGS are further arguments of curl's. Where requests are to be signed (IAM), CACHE_CURL_ARGS='--config iam.curl'
# with a file such as this, which keeps the secret out of the list of processes:
#
#   aws-sigv4 = "aws:amz:eu-central-1:execute-api"
#   user = "ACCESS_KEY_ID:SECRET_ACCESS_KEY"
#   header = "x-amz-security-token: SESSION_TOKEN"
set -eu

url=${CACHE_URL:-http://localhost:8080}/api/v1/cache
tenant=${CACHE_TENANT:-tenant_123}

# cache ARGUMENT…: prints the service's answer. Fails where that is a failure, and where none comes.
cache() {
  # CACHE_CURL_ARGS is several words.
  curl --silent --show-error --fail-with-body --max-time "${timeout:-2}" --header "X-Tenant-ID: $tenant" \
    ${CACHE_CURL_ARGS:-} "$@"
}

# post PATH: sends the JSON on its input, of any length; that of a file with `post PATH <file`, or `--data-binary @file`.
post() {
  cache --header 'Content-Type: application/json' --data-binary @- "$url$1"
}

# get KEY: prints the JSON of its value. Fails where there is none, and where the cache is down.
# It is a batch of one, since many versions of curl sign a URL wrongly into which they have encoded a key, as `delete` does.
get() {
  answer=$(printf '{"keys":["%s"]}' "$1" | post /batch/get) || return 1
  # The value stands between these. Neither can be inside of a string, where quotes are escaped.
  case $answer in *'"value":'*) ;; *) return 1 ;; esac
  answer=${answer#*'"value":'}
  printf '%s\n' "${answer%',"found":true,'*}"
}

# delete KEY: by the query, encoded, since a path does not carry every key. A GET is the same without `--request DELETE`. Where
# requests are signed, use `post /batch/delete`.
delete() {
  cache --get --request DELETE --data-urlencode "key=$1" "$url"
}

# get_or_set KEY SECONDS COMMAND…: prints what is cached or else what the command prints, which is then cached if it can be.
get_or_set() {
  if get "$1"; then return; fi
  key=$1 ttl=$2
  shift 2
  value=$("$@") || return
  printf '{"key":"%s","value":%s,"ttl":%d}' "$key" "$value" "$ttl" | post '' >/dev/null || echo "$key is not cached" >&2
  printf '%s\n' "$value"
}

# embed_chunks DOCUMENT CHUNK…: has the missing embeddings made, all at once, and caches them in one batch.
embed_chunks() {
  prefix=rag:acme-docs:$1
  shift
  keys=$(printf ",\"$prefix:%s\"" "$@")
  answer=$(printf '{"keys":[%s]}' "${keys#,}" | post /batch/get) || answer=
  missing=
  for chunk; do
    case $answer in *"{\"key\":\"$prefix:$chunk\",\"value\":"*) ;; *) missing="$missing $chunk" ;; esac
  done
  [ -n "$missing" ] || return 0
  items=$(embed $missing | while read -r chunk vector; do
    printf ',{"key":"%s:%s","value":%s,"ttl":2592000}' "$prefix" "$chunk" "$vector"
  done)
  printf '{"items":[%s]}' "${items#,}" | post /batch/set >/dev/null || echo "$prefix is not cached" >&2
}

# document_changed DOCUMENT: fails when something of it may still be cached. It takes as long as there is to remove.
document_changed() {
  for pattern in "rag:acme-docs:$1:*" 'rag-results:acme-docs:*'; do
    printf '{"pattern":"%s"}' "$pattern" | { timeout=30 && post /invalidate >/dev/null; }
  done
}

# The stand-ins.
agent() { echo "agent: $1" >&2; echo '{"text":"Within 30 days.","complete":true}'; }
search() { echo "search: $1" >&2; echo '[{"document":"doc-17","text":"one"}]'; }
embed() { echo "embed: $*" >&2; for text; do echo "$text [0.25,1.0]"; done; }
model() { echo "model: $1" >&2; echo '{"content":"Hello."}'; }

# A new version of an agent's prompt, v4, starts with nothing cached.
get_or_set agent:support:v3:send-back 3600 agent 'Can I send it back?'
get_or_set agent:support:v3:send-back 3600 agent 'Can I send it back?'
get_or_set agent:support:v4:send-back 3600 agent 'Can I send it back?'

get_or_set rag-results:acme-docs:one 300 search one
embed_chunks doc-17 one two
get_or_set rag-results:acme-docs:one 300 search one
embed_chunks doc-17 one two three

# Only what is answered the same each time: temperature 0.
get_or_set llm:m-1:say-hello 86400 model 'Say hello.'
get_or_set llm:m-1:say-hello 86400 model 'Say hello.'

document_changed doc-17
embed_chunks doc-17 one two
delete agent:support:v3:send-back
