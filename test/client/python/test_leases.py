"""`get_or_set` and `get_or_set_many`: one producer in all threads, tasks and processes, no stale set, grace, failures, outages."""

import asyncio
import os
import subprocess
import sys
import threading
import unittest
from unittest import mock

from cache_service import AsyncCache, Cache, DeadlineError, tasks
from support import (
    GRANTED,
    HELD,
    HIT,
    LONG,
    MISS,
    NO_ROUTE,
    PATIENCE,
    RELEASED,
    UNAVAILABLE,
    URL,
    WAS_SET,
    Both,
    Case,
    PatientAsyncCache,
    close,
    data,
    failure,
    hang,
    new_tenant,
)


def raiser(error):
    def produce(*_):
        raise error

    return produce


class ModelDown(Exception):
    pass


class Leases:
    def assert_is_free(self, cache, *keys):
        """Nobody has the lease on a key, or it is released now. With a lease that another caller has, a value would not be cached."""
        self.assertEqual(cache.get_or_set_many(keys, 60, lambda missing: missing), list(keys))
        self.assertTrue(all(lookup.found for lookup in cache.get_many(keys)))


class GetOrSet(Leases):
    def test_a_miss_produces_and_a_hit_does_not(self):
        cache = self.start()
        self.assertEqual(cache.get_or_set('k', 60, lambda: 'first'), 'first')
        self.assertEqual(cache.get_or_set('k', 60, lambda: self.fail('must not produce')), 'first')
        self.assertLessEqual(cache.get('k').ttl, 60)
        self.assertEqual(self.reported, [])

    def test_a_miss_returns_what_a_hit_returns(self):
        cache = self.start()
        value = {'a': (1, 2), 3: None}
        self.assertEqual(cache.get_or_set('k', 60, lambda: value), {'a': [1, 2], '3': None})
        self.assertEqual(cache.get_or_set('k', 60, lambda: value), {'a': [1, 2], '3': None})

    def test_a_value_that_json_cannot_represent_is_returned_and_not_cached(self):
        cache = self.start()
        value = object()
        self.assertIs(cache.get_or_set('k', 60, lambda: value, **LONG), value)
        [(error, operation, keys)] = self.reported
        self.assertEqual((type(error), operation, keys), (TypeError, 'set', ['k']))
        # The lease was released.
        self.assert_is_free(cache, 'k')

    def test_an_error_of_the_producer_is_raised_and_releases_the_lease(self):
        cache = self.start()
        with self.assertRaises(ModelDown):
            cache.get_or_set('k', 60, raiser(ModelDown()), **LONG)
        self.assert_is_free(cache, 'k')
        self.assertEqual(self.reported, [])

    def test_a_value_that_was_removed_or_replaced_while_it_was_produced_is_returned_and_not_cached(self):
        cache = self.start()
        other = self.start(tenant=cache.tenant)
        for name, remove, expected in [
            ('delete', lambda: other.delete('k'), None),
            ('delete_many', lambda: other.delete_many(['k']), None),
            ('invalidate', lambda: other.invalidate('k*'), None),
            ('invalidate_tags', lambda: other.invalidate_tags(['t']), None),
            ('clear', lambda: other.clear(), None),
            ('set', lambda: other.set('k', 'newer'), 'newer'),
        ]:
            with self.subTest(name):
                produce = lambda: (remove(), 'stale')[1]
                self.assertEqual(cache.get_or_set('k', 60, produce, tags=['t']), 'stale')
                self.assertEqual(cache.get('k').value, expected)
                self.assertEqual(self.reported, [])
                cache.delete('k')

    def test_tags_of_the_value_replace_those_of_the_call(self):
        cache = self.start()
        cache.get_or_set('k', 60, lambda: ['d1', 'd2'], tags=['all'], tags_of=lambda value, key: [key, *value])
        [listed] = cache.keys()
        self.assertEqual(sorted(listed.tags), ['d1', 'd2', 'k'])
        cache.delete('k')
        for tags_of in (raiser(ModelDown()), lambda value, key: 'text'):
            self.assertEqual(cache.get_or_set('k', 60, lambda: 1, tags_of=tags_of, **LONG), 1)
        self.assertEqual(len(self.reported), 2)
        self.assertFalse(cache.get('k').found)

    def test_a_value_that_the_service_rejects_is_returned_and_the_lease_released(self):
        cache = self.start()
        value = 'x' * 6 * 1024**2
        self.assertEqual(cache.get_or_set('k', 60, lambda: value, **LONG), value)
        self.assertEqual(self.reported, [('PAYLOAD_TOO_LARGE', 'set', ['k'])])
        self.assert_is_free(cache, 'k')

    def test_a_lease_that_ends_during_the_production_is_reported(self):
        lost = failure(409, 'LEASE_LOST')
        ended = data({'key': 'k', 'found': False, 'lease': {'token': 'T0KEN_-1234', 'ttl': 0}})
        server = self.script(ended, lost)
        self.assertEqual(self.start(server.url).get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual(self.reported, [('LEASE_LOST', 'set', ['k'])])

    def test_a_cache_that_grants_no_lease_produces_and_does_not_set(self):
        server = self.script(MISS)
        self.assertEqual(self.start(server.url).get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual([request.target for request in server.requests], ['/api/v1/cache/lease'])

    def test_a_service_without_leases_is_asked_by_get_and_set_without_one(self):
        server = self.script(NO_ROUTE, MISS, WAS_SET, HIT)
        cache = self.start(server.url)
        self.assertEqual(cache.get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual(cache.get_or_set('k', 60, lambda: 2), 'hit')
        self.assertEqual(
            [(request.method, request.target) for request in server.requests],
            [
                ('POST', '/api/v1/cache/lease'),
                ('GET', '/api/v1/cache?key=k'),
                ('POST', '/api/v1/cache'),
                ('GET', '/api/v1/cache?key=k'),
            ],
        )
        self.assertNotIn('lease', server.requests[2].json)

    def test_a_caller_whose_response_was_lost_does_not_wait_for_its_own_lease(self):
        server = self.script(close, HELD)
        self.assertEqual(self.start(server.url).get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual(len(server.requests), 2)

    def test_a_caller_waits_for_a_value_and_then_produces_without_setting_it(self):
        server = self.script(HELD, HELD, HIT)
        cache = self.start(server.url)
        self.assertEqual(cache.get_or_set('k', 60, lambda: self.fail('must not produce')), 'hit')
        server = self.script(HELD)
        self.assertEqual(self.start(server.url).get_or_set('k', 60, lambda: 'own', produce_timeout=0.2), 'own')
        self.assertEqual({request.target for request in server.requests}, {'/api/v1/cache/lease'})

    def test_the_lease_lasts_as_long_as_the_producer_may_take(self):
        for options, seconds in [({}, 60), ({'produce_timeout': 1.2}, 2), ({'produce_timeout': 999}, 300), (LONG, 300)]:
            server = self.script(GRANTED, WAS_SET)
            self.start(server.url).get_or_set('k', 60, lambda: 1, tags=['t'], grace=5, **options)
            self.assertEqual(server.requests[0].json, {'key': 'k', 'lease': seconds, 'tags': ['t']})
            self.assertEqual(
                server.requests[1].json,
                {'key': 'k', 'value': 1, 'ttl': 60, 'grace': 5, 'lease': 'T0KEN_-1234', 'tags': ['t']},
            )


class Grace:
    def set_stale(self, cache, key='k'):
        """Sets a value, and waits until it is stale."""
        cache.set(key, 'stale', ttl=1, grace=300)
        for _ in range(PATIENCE * 100):
            if not cache.get(key).found:
                return
            threading.Event().wait(0.01)
        self.fail('the value does not become stale')

    def test_a_stale_value_is_replaced_by_the_next_one(self):
        cache = self.start()
        self.set_stale(cache)
        self.assertEqual(cache.get_or_set('k', 60, lambda: 'next'), 'next')
        self.assertEqual(cache.get('k').value, 'next')

    def test_a_stale_value_is_returned_if_the_producer_fails(self):
        cache = self.start()
        self.set_stale(cache)
        error = ModelDown()
        for _ in range(2):
            self.assertEqual(cache.get_or_set('k', 60, raiser(error), **LONG), 'stale')
        self.assertEqual(self.reported, [(error, 'produce', ['k'])] * 2)

    def test_callers_without_the_lease_get_the_stale_value_at_once(self):
        cache = self.start()
        self.set_stale(cache)
        self.assertIsNotNone(cache.lease('k').lease)
        for call in (cache, cache.for_tenant(cache.tenant)):
            self.assertEqual(call.get_or_set('k', 60, lambda: self.fail('must not produce')), 'stale')
        self.assertEqual(cache.get_or_set_many(['k'], 60, raiser(ModelDown())), ['stale'])

    def test_with_background_the_stale_value_is_returned_at_once_and_the_next_one_produced(self):
        cache = self.start()
        self.set_stale(cache, 'a')
        self.set_stale(cache, 'b')
        self.assertEqual(cache.get_or_set('a', 60, lambda: 'next', background=True), 'stale')
        self.assertEqual(cache.get_or_set_many(['b'], 60, lambda keys: ['next'], background=True), ['stale'])
        for key in 'ab':
            for _ in range(PATIENCE * 100):
                if cache.get(key).value == 'next':
                    break
                threading.Event().wait(0.01)
            self.assertEqual(cache.get(key).value, 'next')

    def test_stale_values_of_a_batch_are_returned_only_if_each_key_has_one(self):
        cache = self.start()
        self.set_stale(cache)
        self.assertEqual(cache.get_or_set_many(['k'], 60, raiser(ModelDown()), **LONG), ['stale'])
        with self.assertRaises(ModelDown):
            cache.get_or_set_many(['k', 'other'], 60, raiser(ModelDown()), **LONG)
        self.assertEqual(cache.get_or_set_many(['k', 'other'], 60, lambda keys: keys), ['k', 'other'])


class Outages:
    def test_a_cache_that_cannot_be_reached_is_tried_once_and_then_skipped(self):
        server = self.script(HIT)
        url = server.url
        server.close()
        cache = self.start(url, retries=0)
        for number in range(3):
            self.assertEqual(cache.get_or_set('k', 60, lambda: number), number)
        self.assertEqual(self.reported, [('CONNECTION_FAILED', 'get', ['k'])])
        self.assertEqual(cache.get_or_set_many(['a', 'b'], 60, lambda keys: keys), ['a', 'b'])

    def test_a_cache_that_does_not_answer_costs_one_timeout(self):
        server = self.script(hang)
        cache = self.start(server.url, retries=0, timeout=0.2)
        for number in range(3):
            self.assertEqual(cache.get_or_set('k', 60, lambda: number, timeout=None), number)
        self.assertEqual(self.reported, [('DEADLINE_EXCEEDED', 'get', ['k'])])

    def test_a_lookup_has_one_second_by_default(self):
        reported = []
        cache = self.start(self.script(hang).url, retries=0, on_error=lambda error, about: reported.append(str(error)))
        self.assertEqual(cache.get_or_set('k', 60, lambda: 1, timeout=None), 1)
        self.assertEqual(reported, ['The call took longer than 1 s'])

    def test_a_backend_that_fails_between_grant_and_set_leaves_the_caller_its_value(self):
        server = self.script(GRANTED, UNAVAILABLE)
        self.assertEqual(self.start(server.url, retries=0).get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual(self.reported, [('BACKEND_UNAVAILABLE', 'set', ['k'])])
        self.assertEqual(len(server.requests), 2)

    def test_a_request_that_the_service_rejects_is_no_outage(self):
        server = self.script(failure(400, 'VALIDATION_ERROR'))
        cache = self.start(server.url)
        for _ in range(2):
            self.assertEqual(cache.get_or_set('k', 60, lambda: 1), 1)
        self.assertEqual(len(server.requests), 2)

    def test_without_on_error_failures_are_logged(self):
        server = self.script(failure(400, 'VALIDATION_ERROR'))
        with self.assertLogs('cache_service', 'WARNING') as logs:
            self.start(server.url, on_error=None).get_or_set('secret', 60, lambda: 1)
        self.assertRegex(logs.output[0], 'get failed: ValidationError')
        self.assertNotIn('secret', ''.join(logs.output))

    def test_an_error_of_on_error_does_not_fail_the_call(self):
        server = self.script(failure(400, 'VALIDATION_ERROR'))
        with self.assertLogs('cache_service', 'ERROR'):
            cache = self.start(server.url, on_error=raiser(ModelDown()))
            self.assertEqual(cache.get_or_set('k', 60, lambda: 1), 1)


class Many(Leases):
    def test_only_missing_keys_are_produced_and_all_are_returned_in_order(self):
        cache = self.start()
        cache.set('b', 'cached')
        asked = []

        def produce(keys):
            asked.append(keys)
            return [key.upper() for key in keys]

        self.assertEqual(cache.get_or_set_many(['a', 'b', 'c', 'a'], 60, produce), ['A', 'cached', 'C', 'A'])
        self.assertEqual(cache.get_or_set_many(iter(['c', 'b']), 60, produce), ['C', 'cached'])
        self.assertEqual(asked, [['a', 'c']])
        self.assertEqual(cache.get_or_set_many([], 60, produce), [])

    def test_more_keys_than_a_batch_has_are_produced_at_once(self):
        cache = self.start()
        keys = [f'k:{n}' for n in range(250)]
        asked = []
        self.assertEqual(cache.get_or_set_many(keys, 60, lambda missing: asked.append(missing) or missing), keys)
        self.assertEqual(asked, [keys])
        self.assertEqual(cache.get_or_set_many(keys, 60, raiser(ModelDown())), keys)

    def test_a_failure_is_raised_and_releases_all_leases(self):
        cache = self.start()
        for produce, error in [
            (raiser(ModelDown()), ModelDown),
            (lambda keys: keys[1:], TypeError),
            (lambda keys: {key: 1 for key in keys}, TypeError),
            (lambda keys: 'ab', TypeError),
        ]:
            with self.assertRaises(error):
                cache.get_or_set_many(['a', 'b'], 60, produce, **LONG)
        self.assert_is_free(cache, 'a', 'b')

    def test_a_release_that_fails_does_not_end_the_other_releases_of_the_batch(self):
        keys = [f'k:{n}' for n in range(20)]
        granted = [{'key': key, 'found': False, 'lease': {'token': f'T0KEN_-{key[2:]}000', 'ttl': 60}} for key in keys]
        released = []

        def answer(server, connection):
            request = server.arrived.get()
            if request.target.endswith('batch/get'):
                return data({'items': granted})
            released.append(request.json['key'])
            return failure(400, 'VALIDATION_ERROR') if request.json['key'] == keys[0] else RELEASED

        server = self.script(answer)
        with self.assertRaises(ModelDown):
            self.start(server.url).get_or_set_many(keys, 60, raiser(ModelDown()))
        self.assertEqual(sorted(released), sorted(keys))

    def test_keys_that_another_process_produces_are_waited_for(self):
        held = {'key': 'b', 'found': False, 'retry_after_ms': 100}
        granted = {'key': 'a', 'found': False, 'lease': {'token': 'T0KEN_-1234', 'ttl': 60}}
        hit = data({'key': 'b', 'found': True, 'value': 'theirs', 'ttl': 60, 'stale': False})

        def answer(server, connection):
            target = server.requests[-1].target
            if target == '/api/v1/cache/lease':
                return hit
            return data({'items': [granted, held]}) if target.endswith('batch/get') else WAS_SET

        cache = self.start(self.script(answer).url)
        self.assertEqual(cache.get_or_set_many(['a', 'b'], 60, lambda keys: [f'own {key}' for key in keys]), ['own a', 'theirs'])

    def test_a_service_without_leases_is_detected_in_a_batch(self):
        misses = data({'items': [{'key': key, 'found': False} for key in 'ab']})
        results = data({'items': [{'key': key, 'status': 'set', 'ttl': 60} for key in 'ab']}, 201)
        server = self.script(misses, NO_ROUTE, results, misses, results)
        cache = self.start(server.url)
        for _ in range(2):
            self.assertEqual(cache.get_or_set_many(['a', 'b'], 60, lambda keys: keys), ['a', 'b'])
        self.assertEqual(
            [request.target.rpartition('cache/')[2] for request in server.requests],
            ['batch/get', 'lease', 'batch/set', 'batch/get', 'batch/set'],
        )
        self.assertEqual(server.requests[2].json['items'][0], {'key': 'a', 'value': 'a', 'ttl': 60})


CacheGetOrSet, AsyncCacheGetOrSet = Both.of(GetOrSet)
CacheGrace, AsyncCacheGrace = Both.of(Grace)
CacheOutages, AsyncCacheOutages = Both.of(Outages)
CacheMany, AsyncCacheMany = Both.of(Many)

OTHER_PROCESS = """
import sys
from support import LONG, URL, PatientCache

def headers():
    print('asks', flush=True)  # Called for each lookup.
    return {}

def produce():
    print('produces', flush=True)
    return sys.stdin.readline().strip()

cache = PatientCache(URL, sys.argv[1], headers=headers)
print('got', cache.get_or_set('k', 60, produce, **LONG))
"""


class Processes(Case):
    def spawn(self, tenant):
        process = subprocess.Popen(
            [sys.executable, '-c', OTHER_PROCESS, tenant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            cwd=os.path.dirname(os.path.abspath(__file__)),
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def expect(self, process, *lines):
        self.assertEqual([process.stdout.readline().strip() for _ in lines], list(lines))

    def answer(self, process, text):
        process.stdin.write(f'{text}\n')
        process.stdin.close()

    def test_one_of_two_processes_produces_and_both_get_its_value(self):
        tenant = new_tenant()
        first, second = self.spawn(tenant), None
        self.expect(first, 'asks', 'produces')
        second = self.spawn(tenant)
        # It asks a second time, so the first lookup has found the lease held.
        self.expect(second, 'asks', 'asks')
        self.answer(first, 'value')
        self.expect(first, 'asks', 'got value')
        line = second.stdout.readline().strip()
        while line == 'asks':
            line = second.stdout.readline().strip()
        self.assertEqual(line, 'got value')

    def test_another_process_produces_when_the_one_with_the_lease_has_died(self):
        cache = self.start()
        process = self.spawn(cache.tenant)
        self.expect(process, 'asks', 'produces')
        process.kill()
        process.wait()
        # The lease of the killed process would last for minutes: an invalidation ends it as its time would.
        cache.delete('k')
        self.assertEqual(cache.get_or_set('k', 60, lambda: 'of the next'), 'of the next')


class Threads(Case):
    def test_threads_that_miss_one_key_share_one_producer(self):
        cache = self.start()
        begun, release = threading.Event(), threading.Event()
        produced = []

        def produce():
            begun.set()
            self.assertTrue(release.wait(PATIENCE))
            produced.append(1)
            return ['value']

        call = lambda: cache.get_or_set('k', 60, produce)
        joined = lambda: begun.wait(PATIENCE) and (release.set() or call())
        results = self.run_threads(call, *[call] * 8, joined)
        self.assertEqual(results, [['value']] * 10)
        self.assertEqual(len(produced), 1)

    def test_threads_share_the_error_of_the_producer(self):
        cache = self.start()
        begun, joined = threading.Event(), threading.Event()
        flights = cache._runtime._flights
        join = flights.join

        def observed_join(*args):
            flight = join(*args)
            if begun.is_set():
                joined.set()
            return flight

        def produce():
            begun.set()
            joined.wait(PATIENCE)
            raise ModelDown

        def second_call():
            begun.wait(PATIENCE)
            return cache.get_or_set('k', 60, lambda: 'second')

        with mock.patch.object(flights, 'join', observed_join):
            first, second = self.run_threads(lambda: cache.get_or_set('k', 60, produce), second_call)
        self.assertIsInstance(first, ModelDown)
        self.assertIs(second, first)

    def test_a_call_after_a_removal_of_this_client_does_not_join_an_earlier_one(self):
        cache = self.start()
        begun, release = threading.Event(), threading.Event()

        def outdated():
            begun.set()
            release.wait(PATIENCE)
            return 'outdated'

        def after():
            begun.wait(PATIENCE)
            cache.for_tenant(cache.tenant).delete('k')
            try:
                return cache.get_or_set('k', 60, lambda: 'current')
            finally:
                release.set()

        self.assertEqual(self.run_threads(lambda: cache.get_or_set('k', 60, outdated), after), ['outdated', 'current'])
        self.assertEqual(cache.get('k').value, 'current')

    def test_a_thread_that_waits_for_another_for_too_long_raises(self):
        cache = self.start(produce_timeout=0.2)
        begun, release = threading.Event(), threading.Event()

        def produce():
            begun.set()
            release.wait(PATIENCE)
            return 'late'

        def wait():
            begun.wait(PATIENCE)
            try:
                return cache.get_or_set('k', 60, lambda: 'second')
            finally:
                release.set()

        first, second = self.run_threads(lambda: cache.get_or_set('k', 60, produce), wait)
        self.assertEqual(first, 'late')
        self.assertIsInstance(second, DeadlineError)

    def test_a_keyboard_interrupt_in_a_producer_is_not_for_other_threads(self):
        cache = self.start()
        begun = threading.Event()

        def interrupted():
            begun.set()
            threading.Event().wait(0.05)
            raise KeyboardInterrupt

        def call():
            with self.assertRaises(KeyboardInterrupt):
                cache.get_or_set('k', 60, interrupted, **LONG)

        def other():
            begun.wait(PATIENCE)
            return cache.get_or_set('k', 60, lambda: 'value')

        self.assertEqual(self.run_threads(call, other), [None, 'value'])


class Tasks(unittest.IsolatedAsyncioTestCase):
    async def start(self, url=URL, **options):
        self.reported = []
        report = lambda error, about: self.reported.append((getattr(error, 'code', error), about.operation))
        options = {'timeout': PATIENCE, 'on_error': report, **options}
        cache = PatientAsyncCache(url, options.pop('tenant', new_tenant()), **options)
        self.addAsyncCleanup(cache.aclose)
        return cache

    async def assert_is_free(self, cache, *keys):
        self.assertEqual(await cache.get_or_set_many(keys, 60, lambda missing: missing), list(keys))
        self.assertTrue(all(lookup.found for lookup in await cache.get_many(keys)))

    async def test_tasks_that_miss_one_key_share_one_producer(self):
        cache = await self.start()
        produced = []

        async def produce():
            await asyncio.sleep(0.01)
            produced.append(1)
            return 'value'

        results = await asyncio.gather(*(cache.get_or_set('k', 60, produce) for _ in range(100)))
        self.assertEqual((results, produced), (['value'] * 100, [1]))

    async def test_a_producer_may_be_a_coroutine_function(self):
        cache = await self.start()

        async def produce():
            return 'one'

        async def produce_missing(keys):
            return keys

        self.assertEqual(await cache.get_or_set('k', 60, produce), 'one')
        self.assertEqual(await cache.get_or_set_many(['k', 'l'], 60, produce_missing), ['one', 'l'])

    async def test_a_producer_that_takes_too_long_is_cancelled_and_its_lease_released(self):
        cache = await self.start()
        ended = asyncio.get_running_loop().create_future()

        async def produce():
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                ended.set_result('cancelled')
                raise

        with self.assertRaisesRegex(DeadlineError, 'produce took longer than 0.05 s'):
            await cache.get_or_set('k', 60, produce, produce_timeout=0.05, **LONG)
        self.assertEqual(await ended, 'cancelled')
        await self.assert_is_free(cache, 'k')

    async def test_the_producer_runs_on_while_one_call_waits_and_is_cancelled_when_none_does(self):
        cache = await self.start()
        loop = asyncio.get_running_loop()
        begun, ended, release = loop.create_future(), loop.create_future(), loop.create_future()

        async def produce():
            begun.done() or begun.set_result(None)
            try:
                return await release
            except asyncio.CancelledError:
                ended.set_result('cancelled')
                raise

        endless = {'produce_timeout': 1000, **LONG}
        calls = [asyncio.ensure_future(cache.get_or_set('k', 60, produce, **endless)) for _ in range(2)]
        await begun
        calls[0].cancel()
        await asyncio.wait({calls[0]})
        self.assertTrue(calls[0].cancelled())
        self.assertFalse(ended.done())
        calls[1].cancel()
        self.assertEqual(await asyncio.wait_for(ended, PATIENCE), 'cancelled')
        await asyncio.wait({calls[1]})
        # The lease is released.
        await self.assert_is_free(cache, 'k')

    async def test_a_call_that_was_cancelled_has_released_its_lease_when_it_ends(self):
        case = Case()
        self.addCleanup(case.doCleanups)
        server = case.script(GRANTED, RELEASED)
        cache = await self.start(server.url)
        begun = asyncio.get_running_loop().create_future()

        async def produce():
            begun.set_result(None)
            await asyncio.sleep(PATIENCE)

        # The time limit of a release is that of the machine, not that of a user.
        with mock.patch.object(tasks, 'RELEASE_SECONDS', PATIENCE):
            call = asyncio.ensure_future(cache.get_or_set('k', 60, produce))
            await begun
            call.cancel()
            await asyncio.wait({call})
        self.assertTrue(call.cancelled())
        self.assertEqual([request.target for request in server.requests[1:]], ['/api/v1/cache/lease/release'])

    def test_the_end_of_the_event_loop_releases_the_lease_of_a_running_call(self):
        tenant = new_tenant()

        async def leave(call):
            begun = asyncio.get_running_loop().create_future()

            async def produce(*_):
                begun.set_result(None)
                await asyncio.sleep(PATIENCE)

            async with PatientAsyncCache(URL, tenant) as cache:
                running = asyncio.ensure_future(call(cache, produce))
                await begun
            return running

        with mock.patch.object(tasks, 'RELEASE_SECONDS', PATIENCE):
            asyncio.run(leave(lambda cache, produce: cache.get_or_set('one', 60, produce, **LONG)))
            asyncio.run(leave(lambda cache, produce: cache.get_or_set_many(['many'], 60, produce, **LONG)))
        with Cache(URL, tenant, timeout=PATIENCE) as cache:
            for key in ('one', 'many'):
                self.assertIsNotNone(cache.lease(key).lease, key)

    async def test_a_cancelled_call_ends_and_aclose_waits_when_the_release_takes_long(self):
        case = Case()
        self.addCleanup(case.doCleanups)
        released = threading.Event()

        def release_late(server, connection):
            released.wait(PATIENCE)
            return RELEASED

        server = case.script(GRANTED, release_late)
        cache = PatientAsyncCache(server.url, 't')
        begun = asyncio.get_running_loop().create_future()

        async def produce():
            begun.set_result(None)
            await asyncio.sleep(PATIENCE)

        with mock.patch.object(tasks, 'RELEASE_SECONDS', 0.05):
            call = asyncio.ensure_future(cache.get_or_set('k', 60, produce))
            await begun
            call.cancel()
            await asyncio.wait({call})
        # Otherwise it would end only after the response.
        self.assertTrue(call.cancelled())
        closing = asyncio.ensure_future(cache.aclose())
        while len(server.requests) < 2:
            await asyncio.sleep(0.01)
        # Without the wait it would be done in less.
        await asyncio.wait({closing}, timeout=0.2)
        self.assertFalse(closing.done())
        released.set()
        await closing

    async def test_a_call_that_is_cancelled_while_it_sets_releases_its_lease(self):
        case = Case()
        server = case.script(GRANTED, hang, RELEASED)
        cache = await self.start(server.url)
        call = asyncio.ensure_future(cache.get_or_set('k', 60, lambda: 1))
        while len(server.requests) < 2:
            await asyncio.sleep(0.01)
        call.cancel()
        while len(server.requests) < 3:
            await asyncio.sleep(0.01)
        self.assertEqual(server.requests[2].target, '/api/v1/cache/lease/release')
        await asyncio.wait({call})
        case.doCleanups()

    async def test_a_batch_that_is_cancelled_releases_all_leases(self):
        cache = await self.start()
        begun = asyncio.get_running_loop().create_future()

        async def produce(keys):
            begun.set_result(keys)
            await asyncio.sleep(PATIENCE)

        call = asyncio.ensure_future(cache.get_or_set_many(['a', 'b'], 60, produce, **LONG))
        self.assertEqual(await begun, ['a', 'b'])
        call.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await call
        await self.assert_is_free(cache, 'a', 'b')

    async def test_a_batch_that_is_cancelled_before_its_producer_begins_releases_all_leases(self):
        cache = await self.start()
        start = cache._runtime.start

        def start_and_cancel(work):
            started = start(work)
            call.cancel()
            return started

        with mock.patch.object(cache._runtime, 'start', start_and_cancel):
            call = asyncio.ensure_future(cache.get_or_set_many(['a', 'b'], 60, lambda keys: self.fail('must not begin'), **LONG))
            with self.assertRaises(asyncio.CancelledError):
                await call
        await self.assert_is_free(cache, 'a', 'b')

    async def test_a_failure_of_a_batch_ends_the_wait_for_other_keys(self):
        cache = await self.start()
        self.assertIsNotNone((await cache.lease('held', lease=300)).lease)

        async def produce(keys):
            raise ModelDown

        with self.assertRaises(ModelDown):
            call = cache.get_or_set_many(['held', 'own'], 60, produce, produce_timeout=1000, **LONG)
            await asyncio.wait_for(call, PATIENCE)
        await self.assert_is_free(cache, 'own')

    async def test_a_lease_that_is_granted_after_a_failure_is_released(self):
        granted = {'found': False, 'lease': {'token': 'T0KEN_-1234', 'ttl': 60}}
        held = {'found': False, 'retry_after_ms': 100}
        released = threading.Event()

        def answer(server, connection):
            target = server.requests[-1].target.rpartition('/')[2]
            if target == 'get':
                return data({'items': [{'key': 'a', **granted}, {'key': 'b', **held}]})
            if target == 'release':
                released.set()
                return RELEASED
            # The lookup of the held key. It is answered when the failed production has released its lease, and is most likely over.
            released.wait(PATIENCE)
            threading.Event().wait(0.2)
            return data({'key': 'b', **granted})

        case = Case()
        server = case.script(answer)
        cache = await self.start(server.url)

        async def produce(keys):
            while len(server.requests) < 2:
                await asyncio.sleep(0.01)
            raise ModelDown

        with self.assertRaises(ModelDown):
            await cache.get_or_set_many(['a', 'b'], 60, produce, **LONG)
        keys = [request.json['key'] for request in server.requests if request.target.endswith('release')]
        self.assertEqual(keys, ['a', 'b'])
        case.doCleanups()

    async def test_values_that_others_produce_are_waited_for_while_the_producer_runs(self):
        cache = await self.start()
        token = (await cache.lease('held', lease=300)).lease.token

        async def produce(keys):
            # Only the wait that runs at the same time can see it.
            await cache.set('held', 'theirs', lease=token)
            return keys

        self.assertEqual(await cache.get_or_set_many(['held', 'own'], 60, produce), ['theirs', 'own'])

    async def test_aclose_waits_for_what_is_produced_in_the_background(self):
        cache = AsyncCache(URL, new_tenant())
        await cache.set('k', 'stale', ttl=1, grace=300)
        while (await cache.get('k')).found:
            await asyncio.sleep(0.01)

        async def produce():
            await asyncio.sleep(0.05)
            return 'next'

        value = await cache.get_or_set('k', 60, produce, background=True, timeout=PATIENCE)
        await cache.aclose()
        self.assertEqual((value, (await cache.get('k')).value), ('stale', 'next'))
        await cache.aclose()


class LateResponses(Case):
    def late(self, server, connection):
        """Grants the lease after the client has given up."""
        self.given_up.wait(PATIENCE)
        return GRANTED

    def check(self, make):
        self.make = make
        self.given_up = threading.Event()
        server = self.script(self.late, RELEASED)
        cache = self.start(server.url)
        self.assertEqual(cache.get_or_set('k', 60, lambda: 1, timeout=2), 1)
        self.given_up.set()
        server.arrived.get(timeout=PATIENCE)
        released = server.arrived.get(timeout=PATIENCE)
        self.assertEqual((released.target, released.json), ('/api/v1/cache/lease/release', {'key': 'k', 'lease': 'T0KEN_-1234'}))

    def test_a_lease_that_is_granted_after_the_timeout_is_released_by_a_thread(self):
        self.check(CacheGetOrSet.make)

    def test_a_lease_that_is_granted_after_the_timeout_is_released_by_a_task(self):
        self.check(AsyncCacheGetOrSet.make)
