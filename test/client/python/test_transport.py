"""Connections, HTTP, retries, deadlines, headers."""

import os
import re
import socket
import ssl
import threading
import time
import unittest
from unittest import mock

from cache_service import (
    AsyncCache,
    BackendUnavailableError,
    CacheError,
    ConnectionFailedError,
    DeadlineError,
    GatewayError,
    InvalidationIncompleteError,
    ValidationError,
)
from cache_service.http1 import ProtocolError, ResponseParser
from cache_service.threads import MAX_IDLE_SECONDS
from support import HIT, MISS, PATIENCE, RELEASED, UNAVAILABLE, WAS_SET, Both, Case, close, data, failure, hang, reply, reset

CERTIFICATES = os.environ['CACHE_CERTIFICATES']

BODY = HIT.partition(b'\r\n\r\n')[2]
CHUNKED = b''.join(b'%x;a=b\r\n%s\r\n' % (len(part), part) for part in (BODY[:7], BODY[7:])) + b'0\r\nTrailer: 1\r\n\r\n'


class Connections:
    def test_a_connection_is_kept_and_used_again(self):
        server = self.script(MISS)
        cache = self.start(server.url)
        for _ in range(3):
            cache.get('k')
        self.assertEqual(server.connections, 1)

    def test_a_read_on_a_kept_connection_that_was_closed_is_sent_again(self):
        # The service closes it when the second request arrives, and before it responds.
        server = self.script(MISS, close, HIT)
        cache = self.start(server.url, retries=0)
        cache.get('k')
        self.assertEqual(cache.get('k').value, 'hit')
        self.assertEqual(server.connections, 2)

    def test_a_set_on_a_kept_connection_that_was_closed_is_not_sent_again(self):
        server = self.script(MISS, close, WAS_SET)
        cache = self.start(server.url)
        cache.get('k')
        with self.assertRaises(ConnectionFailedError) as caught:
            cache.set('k', 1)
        self.assertTrue(caught.exception.maybe_sent)
        self.assertEqual(len(server.requests), 2)

    def test_a_connection_that_the_server_ends_after_a_response_is_not_used_again(self):
        last = reply(200, BODY, ['connection: close'])
        endless = b'HTTP/1.0 200 OK\r\n\r\n' + BODY
        server = self.script(
            lambda server, connection: connection.sendall(last),
            lambda server, connection: connection.sendall(endless),
            WAS_SET,
        )
        cache = self.start(server.url)
        self.assertEqual([cache.get('k').value, cache.get('k').value, cache.set('k', 1).ttl], ['hit', 'hit', 60])
        self.assertEqual((server.connections, len(server.requests)), (3, 3))

    def test_a_connection_with_bytes_beyond_the_response_is_not_used_again(self):
        server = self.script(HIT + MISS, WAS_SET)
        cache = self.start(server.url)
        self.assertTrue(cache.get('k').found)
        self.assertEqual(cache.set('k', 1).ttl, 60)
        self.assertEqual(server.connections, 2)

    def test_a_connection_that_received_bytes_while_it_was_idle_is_not_used_again(self):
        go, sent = threading.Event(), threading.Event()

        def send_two_responses(server, connection):
            connection.sendall(MISS)
            go.wait(PATIENCE)
            connection.sendall(WAS_SET)
            sent.set()
            hang(server, connection)

        server = self.script(send_two_responses, failure(400, 'VALIDATION_ERROR'))
        cache = self.start(server.url)
        cache.get('k')
        go.set()
        self.assertTrue(sent.wait(PATIENCE))
        with self.assertRaises(ValidationError):
            cache.set('k', 1)
        self.assertEqual(server.connections, 2)

    def test_connections_that_have_been_idle_for_too_long_are_closed_when_another_is_returned(self):
        barrier, ended = threading.Barrier(3), threading.Semaphore(0)

        def serve(server, connection):
            """Responds to three requests at the same time, and then serves the connection to its end."""
            barrier.wait(PATIENCE)
            connection.sendall(MISS)
            while connection.recv(4096):
                connection.sendall(MISS)
            ended.release()

        cache = self.start(self.script(serve).url)
        self.run_threads(*[lambda: cache.get('k')] * 3)
        runtime = getattr(cache, 'cache', cache)._runtime
        idle = runtime._idle if hasattr(runtime, '_idle') else next(iter(runtime._states.values())).idle
        self.assertEqual(len(idle), 3)
        for connection in list(idle)[:2]:
            connection._last_used_monotonic -= MAX_IDLE_SECONDS + 1
        cache.get('k')
        for _ in range(2):
            self.assertTrue(ended.acquire(timeout=PATIENCE))
        self.assertEqual(len(idle), 1)

    def test_a_chunked_response_is_read(self):
        server = self.script(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + CHUNKED)
        cache = self.start(server.url)
        self.assertEqual([cache.get('k').value for _ in range(2)], ['hit', 'hit'])
        self.assertEqual(server.connections, 1)

    def test_a_response_that_is_not_http_is_a_failed_connection(self):
        for response in [b'SSH-2.0-OpenSSH\r\n', b'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', b'HTTP/1.1 200 OK\r\nbad\r\n\r\n']:
            with self.subTest(response), self.assertRaises(ConnectionFailedError):
                self.start(self.script(response).url, retries=0).get('k')


def full_port(case):
    """A port that does not answer, because as many connections wait to be accepted as its queue has room for."""
    listener = socket.create_server(('127.0.0.1', 0), backlog=0)
    case.addCleanup(listener.close)
    for _ in range(10):
        waiting = socket.socket()
        case.addCleanup(waiting.close)
        waiting.settimeout(0.2)
        try:
            waiting.connect(listener.getsockname())
        except socket.timeout:
            return listener.getsockname()[1]
    case.fail('the port accepts every connection')


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(CERTIFICATES, 'server.pem'), os.path.join(CERTIFICATES, 'server.key'))
    return context


def client_context():
    context = ssl.create_default_context(cafile=os.path.join(CERTIFICATES, 'ca.pem'))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # The authority of the tests leaves out what Python 3.13 wants.
    return context


class Tls:
    def test_a_connection_is_kept_and_used_again(self):
        large = data({'key': 'k', 'found': True, 'value': 'x' * 3_000_000, 'ttl': 60})
        server = self.script(large, HIT, tls=server_context())
        cache = self.start(server.url, ssl_context=client_context())
        self.assertEqual([len(cache.get('k').value) for _ in range(3)], [3_000_000, 3, 3])
        self.assertEqual(server.connections, 1)

    def test_a_connection_that_was_closed_is_replaced(self):
        server = self.script(HIT, close, HIT, tls=server_context())
        cache = self.start(server.url, ssl_context=client_context(), retries=0)
        self.assertEqual([cache.get('k').value for _ in range(2)], ['hit', 'hit'])

    def test_a_certificate_of_an_unknown_authority_is_a_failed_connection(self):
        server = self.script(HIT, tls=server_context())
        with self.assertRaisesRegex(ConnectionFailedError, 'certificate verify failed') as caught:
            self.start(server.url, retries=0).set('k', 1)
        self.assertFalse(caught.exception.maybe_sent)
        self.assertEqual(server.requests, [])

    def test_a_certificate_for_another_host_is_a_failed_connection(self):
        server = self.script(HIT, tls=server_context())
        port = int(server.url.rpartition(':')[2])
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', port))]
        cache = self.start(f'https://other.example:{port}', retries=0, ssl_context=client_context())
        with mock.patch.object(socket, 'getaddrinfo', lambda *_, **__: addresses):
            with self.assertRaisesRegex(ConnectionFailedError, '[Hh]ostname mismatch'):
                cache.get('k')
        self.assertEqual(server.requests, [])

    def test_a_service_that_does_not_answer_ends_the_call(self):
        server = self.script(hang, tls=server_context())
        # Accepts connections, and does not answer the handshake.
        silent = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(silent.close)
        for url in (server.url, f'https://localhost:{silent.getsockname()[1]}'):
            with self.subTest(url), self.assertRaises(DeadlineError):
                self.start(url, ssl_context=client_context()).get('k', timeout=0.3)


class BlockedLoop(unittest.IsolatedAsyncioTestCase):
    async def check(self, tls, **options):
        go, closed = threading.Event(), threading.Event()

        def respond_and_close(server, connection):
            connection.sendall(MISS)
            go.wait(PATIENCE)
            # A close alone does not end the connection, because the reader of requests has the socket as well.
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()

        case = Case()
        self.addCleanup(case.doCleanups)
        server = case.script(respond_and_close, WAS_SET, tls=tls)
        async with AsyncCache(server.url, 't', retries=0, timeout=PATIENCE, **options) as cache:
            await cache.get('k')
            go.set()
            # Blocks the event loop, which therefore does not see the end of the connection.
            self.assertTrue(closed.wait(PATIENCE))
            self.assertEqual((await cache.set('k', 1)).ttl, 60)
        self.assertEqual(server.connections, 2)

    async def test_a_connection_that_was_closed_while_the_event_loop_was_blocked_is_not_used_again(self):
        await self.check(None)

    async def test_a_tls_connection_that_was_closed_while_the_event_loop_was_blocked_is_not_used_again(self):
        await self.check(server_context(), ssl_context=client_context())


class Retries:
    def test_a_read_is_retried_after_a_lost_connection_a_503_and_a_429(self):
        for move in (close, reset, UNAVAILABLE, failure(502, 'X'), reply(429, b'{"message":"Too Many"}')):
            with self.subTest(move):
                server = self.script(move, HIT)
                self.assertEqual(self.start(server.url).get('k').value, 'hit')

    def test_the_last_error_is_raised_after_the_retries(self):
        server = self.script(UNAVAILABLE)
        with self.assertRaises(BackendUnavailableError) as caught:
            self.start(server.url, retries=1).get('k')
        self.assertEqual(len(server.requests), 2)
        self.assertEqual((caught.exception.status, caught.exception.correlation_id), (503, 'c-1'))

    def test_other_errors_are_not_retried(self):
        server = self.script(failure(500, 'INTERNAL_SERVER_ERROR'))
        with self.assertRaises(CacheError):
            self.start(server.url).get('k')
        self.assertEqual(len(server.requests), 1)

    def test_a_set_is_retried_only_if_it_was_not_received_or_has_a_lease(self):
        for move, options, count in [
            (UNAVAILABLE, {}, 1),
            (close, {}, 1),
            (reply(429), {}, 2),
            (UNAVAILABLE, {'lease': 'T0KEN_-1234'}, 2),
            (close, {'lease': 'T0KEN_-1234'}, 2),
        ]:
            with self.subTest((move, options)):
                server = self.script(move, WAS_SET)
                cache = self.start(server.url)
                if count == 1:
                    with self.assertRaises(CacheError):
                        cache.set('k', 1, **options)
                else:
                    self.assertEqual(cache.set('k', 1, **options).ttl, 60)
                self.assertEqual(len(server.requests), count)

    def test_a_batch_of_sets_and_a_touch_are_not_retried(self):
        for call in (lambda cache: cache.set_many({'k': 1}), lambda cache: cache.touch('k', 1)):
            server = self.script(UNAVAILABLE)
            with self.assertRaises(BackendUnavailableError):
                call(self.start(server.url))
            self.assertEqual(len(server.requests), 1)

    def test_a_connection_that_was_refused_is_retried_and_reported_as_not_sent(self):
        server = self.script(HIT)
        server.close()
        with self.assertRaises(ConnectionFailedError) as caught:
            self.start(server.url, retries=1).set('k', 1)
        self.assertFalse(caught.exception.maybe_sent)
        self.assertRegex(str(caught.exception), 'could not be reached: .*(refused|Connect)')
        self.assertIsInstance(caught.exception.__cause__, OSError)

    def test_a_host_that_does_not_exist_is_a_failed_connection(self):
        with self.assertRaises(ConnectionFailedError) as caught:
            self.start('http://cache.invalid', retries=0).get('k')
        self.assertFalse(caught.exception.maybe_sent)

    def test_retry_after_in_the_details_is_more_exact_than_the_header(self):
        limited = failure(429, 'TENANT_RATE_LIMITED', {'retry_after_ms': 20}, headers=['retry-after: 100'])
        server = self.script(limited, data({'key': 'k', 'found': False}))
        self.assertFalse(self.start(server.url).get('k', timeout=30).found)
        self.assertEqual(len(server.requests), 2)

    def test_retry_after_beyond_the_deadline_is_not_waited_for(self):
        server = self.script(failure(503, 'BACKEND_UNAVAILABLE', headers=['retry-after: 100']))
        with self.assertRaises(BackendUnavailableError) as caught:
            self.start(server.url).get('k', timeout=30)
        self.assertEqual((len(server.requests), caught.exception.retry_after), (1, 100))

    def test_an_invalidation_is_repeated_until_it_is_complete(self):
        more = failure(503, 'INVALIDATION_INCOMPLETE', {'count': 5})
        none = failure(503, 'INVALIDATION_INCOMPLETE', {'count': 0})
        server = self.script(more, more, data({'count': 2}))
        self.assertEqual(self.start(server.url).invalidate('*'), 12)
        server = self.script(data({'count': 1}), more, none)
        with self.assertRaises(InvalidationIncompleteError) as caught:
            self.start(server.url).invalidate_tags([f't:{n}' for n in range(17)])
        self.assertEqual(caught.exception.count, 6)

    def test_a_batch_that_is_too_large_is_split_where_the_service_says(self):
        def items(*keys):
            return data({'items': [{'key': key, 'found': False} for key in keys]})

        server = self.script(failure(413, 'PAYLOAD_TOO_LARGE', {'fitting': 2, 'max_bytes': 9}), items('a', 'b'), items('c'))
        self.assertEqual([lookup.key for lookup in self.start(server.url).get_many(list('abc'))], ['a', 'b', 'c'])
        self.assertEqual([request.json['keys'] for request in server.requests], [['a', 'b', 'c'], ['a', 'b'], ['c']])


class Deadlines:
    def test_a_service_that_does_not_answer_ends_the_call(self):
        server = self.script(hang)
        cache = self.start(server.url, timeout=0.2)
        for call in (lambda: cache.get('k'), lambda: cache.set('k', 1), lambda: cache.get('k', timeout=0.1)):
            with self.assertRaisesRegex(DeadlineError, r'The call took longer than 0\.[12] s'):
                call()

    def test_the_time_of_a_call_includes_its_retries(self):
        def later(response):
            return lambda server, connection: None if server.released.wait(1.6) else response

        # Each response would be in time if the retry had a time of its own.
        server = self.script(later(UNAVAILABLE), later(HIT))
        with self.assertRaises(DeadlineError):
            self.start(server.url).get('k', timeout=3)
        self.assertEqual(len(server.requests), 2)

    def test_a_response_that_arrives_byte_by_byte_does_not_extend_the_time(self):
        def trickle(server, connection):
            for byte in HIT * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

        with self.assertRaises(DeadlineError):
            self.start(self.script(trickle).url).get('k', timeout=0.3)

    def test_a_connection_on_which_a_call_timed_out_is_not_used_again(self):
        server = self.script(MISS, hang, HIT)
        cache = self.start(server.url)
        cache.get('k')
        with self.assertRaises(DeadlineError):
            cache.get('k', timeout=1)
        self.assertTrue(cache.get('k').found)
        self.assertEqual(server.connections, 2)

    def test_a_server_that_does_not_accept_ends_the_call(self):
        with self.assertRaises(DeadlineError):
            self.start(f'http://127.0.0.1:{full_port(self)}').get('k', timeout=0.2)

    def test_removals_have_a_minute(self):
        server = self.script(lambda server, connection: time.sleep(0.3) or data({'count': 1}))
        self.assertEqual(self.start(server.url, timeout=0.1).invalidate('*'), 1)

    def test_the_error_has_the_correlation_id_that_was_sent(self):
        server = self.script(hang)
        with self.assertRaises(DeadlineError) as caught:
            self.start(server.url).get('k', timeout=0.1, correlation_id='mine')
        self.assertEqual(caught.exception.correlation_id, 'mine')


class Headers:
    def test_each_request_has_tenant_user_ids_and_the_callers_headers(self):
        server = self.script(UNAVAILABLE, MISS)
        cache = self.start(
            server.url, tenant='t-1', user_id='u-1', headers=lambda: {'TraceParent': '00-1', 'X-Any': 'client', 'none': None}
        )
        cache.get('k', headers={'x-any': 'call'}, correlation_id='c-9')
        first, second = [request.headers for request in server.requests]
        expected = {'x-tenant-id': 't-1', 'x-user-id': 'u-1', 'x-correlation-id': 'c-9', 'traceparent': '00-1', 'x-any': 'call'}
        self.assertLessEqual(expected.items(), first.items())
        self.assertNotIn('none', first)
        self.assertNotEqual(first['x-request-id'], second['x-request-id'])
        self.assertEqual(first['host'], server.url.replace('http://', ''))

    def test_without_a_correlation_id_each_call_has_a_uuid(self):
        server = self.script(MISS)
        cache = self.start(server.url)
        cache.get('k')
        cache.get('k')
        ids = [request.headers['x-correlation-id'] for request in server.requests]
        self.assertRegex(ids[0], r'^[0-9a-f]{8}-[0-9a-f]{4}-4')
        self.assertNotEqual(*ids)

    def test_all_requests_of_one_call_have_one_correlation_id(self):
        page = {'keys': [{'key': 'k', 'ttl': 1, 'stale': False, 'tags': []}], 'cursor': 'next'}
        server = self.script(data(page), data({**page, 'cursor': None}))
        self.assertEqual(len(list(self.start(server.url).keys(pattern='a b*', tag='t', limit=1))), 2)
        self.assertEqual(len({request.headers['x-correlation-id'] for request in server.requests}), 1)
        self.assertRegex(server.requests[1].target, r'/keys\?pattern=a%20b%2A&tag=t&limit=1&cursor=next$')

    def test_keys_requests_a_page_only_when_it_is_needed(self):
        page = {'keys': [{'key': key, 'ttl': 1, 'stale': True, 'tags': []} for key in 'ab'], 'cursor': 'next'}
        server = self.script(data(page))
        keys = self.start(server.url).keys()
        self.assertEqual([next(keys).key, next(keys).key], ['a', 'b'])
        self.assertEqual(len(server.requests), 1)
        keys.close()

    def test_a_url_may_have_a_prefix_and_a_tenant_any_characters(self):
        server = self.script(RELEASED)
        self.start(f'{server.url}/a b/%20/é/', tenant='t').clear()
        self.assertEqual(server.requests[0].target, '/a%20b/%20/%C3%A9/api/v1/cache/tenant/t')


class Responses:
    def test_a_response_of_a_proxy_is_a_gateway_error(self):
        for response, code, message in [
            (reply(403, b'{"message":"Forbidden"}', ['x-request-id: r-7']), 'HTTP_403', 'envelope: Forbidden'),
            (reply(200, b'<html>'), 'HTTP_200', "returned 200 without the service's envelope: Expecting value"),
            (reply(200, b'\xff'), 'HTTP_200', 'utf-8'),
            (reply(301, b'', ['location: http://elsewhere/']), 'HTTP_301', 'returned 301'),
            (reply(200, b'[]'), 'HTTP_200', 'returned 200'),
            (RELEASED, 'HTTP_204', 'returned 204'),
        ]:
            with self.subTest(code), self.assertRaisesRegex(GatewayError, re.escape(message)) as caught:
                self.start(self.script(response).url).get('secret')
            self.assertEqual(caught.exception.code, code)
            self.assertNotIn('secret', str(caught.exception))

    def test_data_of_another_form_is_a_gateway_error(self):
        for call, members in [
            (lambda cache: cache.get('k'), {'count': 1}),
            (lambda cache: cache.get_many(['k']), {'items': 1}),
            (lambda cache: cache.set('k', 1), {'key': 'k', 'ttl': 'soon'}),
        ]:
            with self.subTest(members), self.assertRaisesRegex(GatewayError, 'data of another form'):
                call(self.start(self.script(data(members)).url))

    def test_an_unknown_code_is_a_cache_error(self):
        with self.assertRaises(CacheError) as caught:
            self.start(self.script(failure(418, 'TEAPOT', {'a': 1})).url).get('k')
        error = caught.exception
        self.assertEqual((type(error), error.code, error.status, error.details), (CacheError, 'TEAPOT', 418, {'a': 1}))
        self.assertEqual((error.correlation_id, error.request_id), ('c-1', 'r-1'))

    def test_an_unhealthy_service_is_a_result(self):
        self.assertEqual(self.start(self.script(reply(503, {'status': 'unhealthy'})).url).health()['status'], 'unhealthy')


class Addresses(Case):
    def test_an_address_that_does_not_answer_leaves_time_for_the_next_one(self):
        server = self.script(HIT)
        port = int(server.url.rpartition(':')[2])
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', number)) for number in (full_port(self), port)
        ]
        with mock.patch.object(socket, 'getaddrinfo', lambda *_, **__: addresses):
            self.assertEqual(self.start(server.url, retries=0).get('k', timeout=4).value, 'hit')


CacheConnections, AsyncCacheConnections = Both.of(Connections)
CacheTls, AsyncCacheTls = Both.of(Tls)
CacheRetries, AsyncCacheRetries = Both.of(Retries)
CacheDeadlines, AsyncCacheDeadlines = Both.of(Deadlines)
CacheHeaders, AsyncCacheHeaders = Both.of(Headers)
CacheResponses, AsyncCacheResponses = Both.of(Responses)


class Parser(unittest.TestCase):
    def parse(self, *parts):
        parser = ResponseParser()
        for index, part in enumerate(parts):
            response = parser.feed(part)
            self.assertEqual(response is not None, index == len(parts) - 1, (index, part))
        return response

    def test_a_response_is_parsed_wherever_it_is_cut(self):
        head = b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\n'
        for text in [
            head + b'Content-Length: 3\r\n\r\nabc',
            head + b'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n',
        ]:
            for parts in [[text], [bytes([byte]) for byte in text]] + [[text[:cut], text[cut:]] for cut in range(1, len(text))]:
                response = self.parse(*parts)
                self.assertEqual((response.status, response.body, response.headers['a']), (200, b'abc', '1, 2'))
                self.assertTrue(response.keeps_alive)

    def test_a_response_without_a_length_ends_with_the_connection(self):
        response = self.parse(b'HTTP/1.1 200 OK\r\n\r\na', b'bc', b'')
        self.assertEqual((response.body, response.keeps_alive), (b'abc', False))

    def test_a_response_that_is_malformed_or_cut_off_is_an_error(self):
        for text in [
            b'',
            b'HTTP/2 200 OK\r\n\r\n',
            b'HTTP/1.1 abc\r\n\r\n',
            b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab',
            b'HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n',
            b'HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n',
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n',
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n',
            b'HTTP/1.1 200 OK\r\n' + b'a: b\r\n' * 30_000,
            b'x' * 100_000,
        ]:
            with self.subTest(text[:60]), self.assertRaises(ProtocolError):
                parser = ResponseParser()
                if parser.feed(text) is None:
                    parser.feed(b'')
