"""Threads, forked processes and a thousand tasks that share one client."""

import asyncio
import multiprocessing
import os
import threading
import traceback
import unittest

from cache_service import AsyncCache, Cache
from support import HIT, MISS, PATIENCE, URL, Case, hang, new_tenant


class Threads(Case):
    def test_threads_get_the_values_of_their_own_keys(self):
        cache = self.start()
        keys = set_keys_to_themselves(cache)
        results = self.run_threads(*[lambda: count_wrong(cache, keys)] * 8)
        self.assertEqual(results, [0] * 8)

    def test_no_more_idle_connections_are_kept_than_wanted(self):
        server = self.script(MISS)
        cache = self.start(server.url, max_connections=2)
        barrier = threading.Barrier(4)

        def get():
            barrier.wait(PATIENCE)
            cache.get('k')

        self.run_threads(*[get] * 4)
        self.assertLessEqual(len(cache._runtime._idle), 2)

    def test_a_coroutine_function_as_producer_is_rejected(self):
        async def produce():
            await asyncio.sleep(0)

        with self.assertRaisesRegex(TypeError, 'use AsyncCache'):
            self.start().get_or_set('k', 60, produce)


@unittest.skipUnless(hasattr(os, 'fork'), 'this system cannot fork')
class Forks(Case):
    def fork(self, work):
        """A child that exits with what `work` returns. It must not return into the parent's tests."""
        child = os.fork()
        if child == 0:
            try:
                os._exit(work())
            finally:
                traceback.print_exc()
                os._exit(255)
        return child

    def join(self, *children):
        return [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children]

    def test_forked_processes_get_the_values_of_their_own_keys(self):
        cache = self.start()
        keys = set_keys_to_themselves(cache)
        children = [self.fork(lambda: count_wrong(cache, keys)) for _ in range(4)]
        wrong = count_wrong(cache, keys)
        self.assertEqual([wrong, *self.join(*children)], [0] * 5)

    def test_a_forked_process_makes_a_connection_of_its_own(self):
        server = self.script(HIT)
        cache = self.start(server.url)
        cache.get('k')
        self.assertEqual(self.join(self.fork(lambda: not cache.get('k').found)), [0])
        cache.get('k')
        self.assertEqual(server.connections, 2)

    def test_a_forked_process_does_not_wait_for_a_producer_of_its_parent(self):
        cache = self.start()
        begun, release = threading.Event(), threading.Event()

        def produce():
            begun.set()
            release.wait(PATIENCE)
            return 'of the parent'

        thread = threading.Thread(target=lambda: cache.get_or_set('k', 60, produce, lease=300))
        thread.start()
        begun.wait(PATIENCE)
        # After the delete, another lookup gets the lease. The parent's producer is still running.
        other = self.start(tenant=cache.tenant)
        other.delete('k')
        child = self.fork(lambda: cache.get_or_set('k', 60, lambda: 'of the child') != 'of the child')
        self.assertEqual(self.join(child), [0])
        release.set()
        thread.join()
        self.assertEqual(cache.get('k').value, 'of the child')

    def test_a_pool_of_forked_processes_inherits_the_client(self):
        global inherited
        inherited = self.start()
        keys = set_keys_to_themselves(inherited)
        with multiprocessing.get_context('fork').Pool(2) as pool:
            self.assertEqual(pool.map(get_inherited, keys), keys)


inherited = None


def get_inherited(key):
    return inherited.get(key).value


class Tasks(unittest.IsolatedAsyncioTestCase):
    async def test_a_thousand_concurrent_gets_return_their_own_values(self):
        # unittest turns it on, and it multiplies the time of each step.
        asyncio.get_running_loop().set_debug(False)
        async with AsyncCache(URL, new_tenant(), timeout=5 * PATIENCE) as cache:
            keys = [f'k:{n}' for n in range(1000)]
            await cache.set_many({key: key for key in keys})
            lookups = await asyncio.gather(*(cache.get(key) for key in keys))
            self.assertEqual([lookup.value for lookup in lookups], keys)
            [state] = cache._runtime._states.values()
            self.assertLessEqual(len(state.idle), 100)
            # Those that are kept serve the next thousand.
            kept = {id(connection) for connection in state.idle}
            await asyncio.gather(*(cache.get(key) for key in keys))
            self.assertEqual({id(connection) for connection in state.idle}, kept)

    async def test_a_cancelled_get_frees_its_connection_for_others(self):
        case = Case()
        server = case.script(hang, HIT)
        async with AsyncCache(server.url, 't', max_connections=1, timeout=PATIENCE) as cache:
            first = asyncio.ensure_future(cache.get('k'))
            second = asyncio.ensure_future(cache.get('k'))
            while not server.requests:
                await asyncio.sleep(0.01)
            first.cancel()
            self.assertEqual((await second).value, 'hit')
            self.assertTrue(first.cancelled())
        case.doCleanups()


class EventLoops(unittest.TestCase):
    def test_several_event_loops_use_one_client(self):
        cache = AsyncCache(URL, new_tenant(), timeout=PATIENCE)

        async def use(number):
            async with cache:
                await cache.set(f'k:{number}', number)
                return [lookup.value for lookup in await cache.get_many([f'k:{n}' for n in range(number + 1)])]

        self.assertEqual([asyncio.run(use(number)) for number in range(3)], [[0], [0, 1], [0, 1, 2]])
        self.assertLessEqual(len(cache._runtime._states), 1)


def set_keys_to_themselves(cache):
    keys = [f'k:{n}' for n in range(50)]
    cache.set_many({key: key for key in keys})
    return keys


def count_wrong(cache, keys):
    return sum(cache.get(key).value != key for key in keys)
