"""What the client does, on the service at `CACHE_URL`, for the tenant `CACHE_TENANT`."""

import contextlib
import copy
import json
import os
import pickle
import socket
import threading
import traceback
import unittest

from cache import Cache, CacheError

URL = os.environ['CACHE_URL']
TENANT = os.environ['CACHE_TENANT']

# Seconds that the service gets to answer on a busy machine.
PATIENCE = 20


class TenantError(CacheError):
    """As a user may write one, with parameters of its own."""

    def __init__(self, tenant):
        super().__init__('TENANT_MISMATCH', f'{tenant} is another tenant', 403, {'tenant': tenant}, 'c-1')


class CacheTest(unittest.TestCase):
    def setUp(self):
        self.cache = self.client(URL, f'{TENANT}.{self.id().rsplit(".", 1)[-1]}', timeout=PATIENCE)

    def client(self, url, tenant=TENANT, **settings):
        cache = Cache(url, tenant, **settings)
        self.addCleanup(cache.close)
        return cache

    def assert_fails(self, code, call):
        with self.assertRaises(CacheError) as caught:
            call()
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_finds_what_it_has_set_until_it_deletes_it(self):
        self.assertEqual(self.cache.set('k', {'name': 'Jöhn 🎈'}, ttl=60), 60)
        self.assertEqual(self.cache.get('k'), {'name': 'Jöhn 🎈'})
        self.cache.delete('k')
        self.assertIsNone(self.cache.get('k'))
        self.assertEqual(self.cache.get('k', 'default'), 'default')

    def test_finds_none_as_a_value(self):
        self.cache.set('k', None)
        self.assertIsNone(self.cache.get('k', 'default'))
        self.assertIsNone(self.cache.get_or_set('k', 60, lambda: 'not asked'))

    def test_keeps_every_digit(self):
        values = [12345678901234567890123, 0.1, 1.0, -1.5e-300]
        self.cache.set('k', values)
        self.assertEqual(repr(self.cache.get('k')), repr(values))

    def test_takes_keys_that_no_path_carries(self):
        for key in ['a/b', '.', '..', 'a?b=c&d', '%2F', '+ *#', 'Straße/日本/🎈', 'x' * 1024]:
            with self.subTest(key):
                self.cache.set(key, key)
                self.assertEqual(self.cache.get(key), key)
                self.cache.delete(key)
                self.assertIsNone(self.cache.get(key))

    def test_sets_gets_and_deletes_more_than_one_batch(self):
        values = {f'k:{n}': n for n in range(250)}
        self.cache.set_many(values, ttl=60)
        self.assertEqual(self.cache.get_many(['absent', *values]), values)
        self.assertEqual(self.cache.delete_many(['absent', *values]), 250)
        self.assertEqual(self.cache.get_many(values), {})
        self.assertEqual(self.cache.get_many([]), {})

    def test_cuts_batches_that_are_too_large(self):
        values = {f'k:{n}': str(n) * 2_000_000 for n in range(5)}
        self.cache.set_many(values)
        self.assertEqual(self.cache.get_many(values), values)

    def test_invalidates_by_pattern_and_else_all(self):
        self.cache.set_many({'a:1': 1, 'a:2': 2, 'b:1': 3})
        self.assertEqual(self.cache.invalidate('a:*'), 2)
        self.assertEqual(self.cache.get_many(['a:1', 'a:2', 'b:1']), {'b:1': 3})
        self.assert_fails('VALIDATION_ERROR', lambda: self.cache.invalidate(''))
        self.assertEqual(self.cache.invalidate(), 1)

    def test_clears_and_tells_what_the_tenant_takes(self):
        self.cache.set_many({'a': 1, 'b': 2})
        self.assertEqual(self.cache.usage()['entries'], 2)
        self.cache.clear()
        self.assertEqual(self.cache.usage()['entries'], 0)

    def test_fills_once(self):
        made = iter(['first', 'second'])
        self.assertEqual(self.cache.get_or_set('k', 60, lambda: next(made)), 'first')
        self.assertEqual(self.cache.get_or_set('k', 60, lambda: next(made)), 'first')

    def test_tells_failures_apart_by_their_code(self):
        error = self.assert_fails('VALIDATION_ERROR', lambda: self.cache.set('', 1, ttl=0))
        self.assertEqual([issue['field'] for issue in error.details['issues']], ['key', 'ttl'])
        self.assertEqual(error.status, 400)
        self.assertTrue(error.correlation_id)
        self.assert_fails('PAYLOAD_TOO_LARGE', lambda: self.cache.set('k', 'x' * 6_000_000))
        self.assert_fails('NOT_FOUND', lambda: self.client(URL + '/elsewhere').get('k'))

    def test_refuses_what_json_cannot_carry(self):
        for value in [float('nan'), object(), {1, 2}, '\ud800']:
            with self.subTest(value), self.assertRaises((TypeError, ValueError)):
                self.cache.set('k', value)

    def test_takes_an_answer_that_is_not_the_services_for_a_failure(self):
        with answering(b'HTTP/1.1 429 Too Many\r\nContent-Length: 22\r\n\r\n{"message":"Too Many"}') as server:
            self.assert_fails('HTTP_429', lambda: self.client(server.url).get('k'))

    def test_forked_children_get_the_values_of_their_own_keys(self):
        keys = self.set_keys_to_themselves()
        children = [self.fork(lambda: self.count_wrong(keys)) for _ in range(4)]
        try:
            wrong = self.count_wrong(keys)
        finally:
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        self.assertEqual([wrong, *codes], [0] * 5)

    def test_threads_that_share_a_cache_get_the_values_of_their_own_keys(self):
        keys = self.set_keys_to_themselves()
        wrong = []
        threads = [threading.Thread(target=lambda: wrong.append(self.count_wrong(keys))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [0] * 4)

    def set_keys_to_themselves(self):
        keys = [f'k:{n}' for n in range(50)]
        self.cache.set_many({key: key for key in keys})
        return keys

    def count_wrong(self, keys):
        try:
            return sum(self.cache.get(key) != key for key in keys)
        finally:
            self.cache.close()

    def fork(self, call):
        """A child that exits with what `call` returns. It must not return into the parent's tests."""
        child = os.fork()
        if child == 0:
            try:
                os._exit(call())
            finally:
                traceback.print_exc()
                os._exit(255)
        return child

    def test_an_answer_for_another_key_is_an_error_and_ends_its_connection(self):
        calls = [
            (lambda cache: cache.get('k'), {'key': 'other', 'value': 1, 'found': True}),
            (lambda cache: cache.get('k'), {'count': 1}),
            (lambda cache: cache.get('k'), None),
            (lambda cache: cache.set('k', 1), {'key': 'other', 'status': 'set', 'ttl': 1}),
            (lambda cache: cache.get_many(['k']), {'items': [{'key': 'other', 'value': 1, 'found': True}]}),
            (lambda cache: cache.get_many(['k']), {'count': 1}),
            (lambda cache: cache.set_many({'k': 1}), {'items': []}),
        ]
        for call, data in calls:
            with self.subTest(data), answering(success(data), keep=True) as server:
                cache = self.client(server.url, timeout=PATIENCE)
                self.assert_fails('KEY_MISMATCH', lambda: call(cache))
                self.assertTrue(server.closed.acquire(timeout=PATIENCE))

    def test_the_rest_of_an_answer_that_timed_out_is_not_taken_for_the_next_one(self):
        late, own = (success({'count': count}) for count in (1, 2))
        with answering(late[:-10], own, keep=True) as server:
            cache = self.client(server.url, timeout=0.1)
            self.assert_fails('CONNECTION_FAILED', lambda: cache.delete_many(['k']))
            self.assertTrue(server.closed.acquire(timeout=PATIENCE))
            # It waits for longer than the settings say.
            self.assertEqual(cache.invalidate(), 2)
            self.assertEqual(server.connections, 2)

    def test_errors_survive_pickle_and_copy(self):
        for error in [CacheError('HTTP_429', 'Too many'), TenantError('acme')]:
            for copied in [pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)]:
                self.assertIs(type(copied), type(error))
                self.assertEqual((str(copied), vars(copied)), (str(error), vars(error)))

    def test_reads_again_on_a_new_connection_where_the_kept_one_was_closed_and_does_not_set_again(self):
        with answering(success({'key': 'k', 'value': 1, 'found': True})) as server:
            cache = self.client(server.url)
            self.assertEqual(cache.get('k'), 1)
            server.closed.acquire()
            self.assertEqual(cache.get('k'), 1)
            server.closed.acquire()
            self.assert_fails('CONNECTION_FAILED', lambda: cache.set('k', 1))
            self.assertEqual(server.connections, 2)

    def test_does_not_ask_again_what_failed_on_a_new_connection(self):
        with answering(b'') as server:
            self.assert_fails('CONNECTION_FAILED', lambda: self.client(server.url).get('k'))
            server.closed.acquire()
            self.assertEqual(server.connections, 1)

    def test_does_without_a_cache_that_is_down_or_silent(self):
        with socket.create_server(('127.0.0.1', 0)) as silent:
            port = silent.getsockname()[1]
            cache = self.client(f'http://127.0.0.1:{port}', timeout=0.1)
            with self.assertLogs('cache', 'WARNING') as logs:
                self.assertEqual(cache.get_or_set('k', 60, lambda: 'made'), 'made')
            self.assertEqual(len(logs.output), 2)
        self.assert_fails('CONNECTION_FAILED', lambda: cache.get('k'))
        with self.assertLogs('cache', 'WARNING'):
            self.assertEqual(cache.get_or_set('k', 60, lambda: 'made'), 'made')


def success(data):
    """An answer of the service's, which is 204 where there is no data."""
    if data is None:
        return b'HTTP/1.1 204 No Content\r\n\r\n'
    body = json.dumps({'success': True, 'data': data}).encode()
    return b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)


class answering:
    """A server that sends each connection the next answer, the last one again and again, and closes it: at once or, with
    `keep`, when the client does. `closed` is released after each."""

    def __init__(self, *answers, keep=False):
        self.answers, self.keep = answers, keep
        self.connections, self.closed = 0, threading.Semaphore(0)

    def __enter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}'
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            # A client that has lost its patience may be gone.
            with connection, contextlib.suppress(OSError):
                self.connections += 1
                connection.recv(65536)
                connection.sendall(self.answers[min(self.connections, len(self.answers)) - 1])
                while self.keep and connection.recv(65536):
                    pass
            self.closed.release()


if __name__ == '__main__':
    unittest.main()
