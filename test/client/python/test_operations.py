"""Every operation of the contract, on the real service."""

import json
import math
from collections import OrderedDict
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from cache_service import (
    Cache,
    Entry,
    LeaseLostError,
    ListedKey,
    Lookup,
    NotFoundError,
    PayloadTooLargeError,
    SetResult,
    ValidationError,
)
from support import URL, Both, new_tenant

ODD_KEYS = ['a/b', '.', '..', 'a?b=c&d', '%2F', '+ *#', 'Straße/日本/🎈', '{"a":1}', 'x' * 1024]


class Operations:
    def test_get_returns_what_set_stored_until_delete_removes_it(self):
        cache = self.start()
        self.assertEqual(cache.set('k', {'name': 'Jöhn 🎈'}, ttl=60), SetResult('k', 60))
        found = cache.get('k')
        self.assertEqual((found.key, found.found, found.value), ('k', True, {'name': 'Jöhn 🎈'}))
        self.assertIn(found.ttl, range(1, 61))
        cache.delete('k')
        self.assertEqual(cache.get('k'), Lookup('k', False, None, 0))
        cache.delete('k')

    def test_a_timeout_of_centuries_is_accepted(self):
        self.assertFalse(self.start(timeout=1e15).get('k').found)

    def test_set_without_a_ttl_uses_the_default_of_the_service(self):
        self.assertEqual(self.start().set('k', 1).ttl, 300)

    def test_none_is_a_value(self):
        cache = self.start()
        cache.set('k', None)
        self.assertTrue(cache.get('k').found)
        self.assertIsNone(cache.get_or_set('k', 60, lambda: self.fail('must not produce')))

    def test_touch_changes_the_ttl_of_an_entry_and_returns_false_for_a_miss(self):
        cache = self.start()
        cache.set('k', 1, ttl=60)
        self.assertTrue(cache.touch('k', 1000))
        self.assertGreater(cache.get('k').ttl, 900)
        self.assertFalse(cache.touch('other', 1000))

    def test_keys_that_a_path_cannot_carry_are_set_read_and_deleted(self):
        cache = self.start()
        for key in ODD_KEYS:
            with self.subTest(key):
                cache.set(key, key)
                self.assertEqual(cache.get(key).value, key)
                cache.delete(key)
                self.assertFalse(cache.get(key).found)

    def test_tenants_do_not_see_each_other(self):
        cache = self.start()
        other = cache.for_tenant(new_tenant())
        cache.set('k', 1)
        self.assertFalse(other.get('k').found)
        self.assertEqual(other.for_tenant(cache.tenant).get('k').value, 1)

    def test_batches_longer_than_the_service_accepts_are_split(self):
        cache = self.start()
        values = {f'k:{n}': n for n in range(450)}
        self.assertEqual(cache.set_many(values, ttl=60), [SetResult(key, 60) for key in values])
        found = cache.get_many(['absent', *values, 'k:1'])
        self.assertEqual([lookup.value for lookup in found], [None, *values.values(), 1])
        self.assertEqual(cache.delete_many(['absent', *values]), 450)
        self.assertFalse(any(lookup.found for lookup in cache.get_many(values)))
        self.assertEqual(cache.get_many([]), [])
        self.assertEqual(cache.set_many({}), [])

    def test_batches_larger_than_the_service_accepts_are_split(self):
        cache = self.start()
        values = {f'k:{n}': '"' * 900_000 + str(n) for n in range(6)}
        cache.set_many(values)
        self.assertEqual([lookup.value for lookup in cache.get_many(values)], list(values.values()))

    def test_of_several_entries_with_one_key_the_last_is_set(self):
        cache = self.start()
        entries = [Entry('a', 1, ttl=10), Entry('b', 2), Entry('a', 3, ttl=20)]
        self.assertEqual(cache.set_many(entries, ttl=30), [SetResult('a', 20), SetResult('b', 30), SetResult('a', 20)])
        self.assertEqual(cache.get('a').value, 3)

    def test_an_entry_of_a_batch_whose_lease_was_lost_is_reported(self):
        cache = self.start()
        token = cache.lease('k').lease.token
        cache.delete('k')
        self.assertEqual(cache.set_many([Entry('k', 1, lease=token)]), [SetResult('k', 0, lease_lost=True)])

    def test_invalidate_removes_what_matches_the_pattern(self):
        cache = self.start()
        cache.set_many({'a:1': 1, 'a:2': 2, 'b:1': 3})
        self.assertEqual(cache.invalidate('a:*'), 2)
        self.assertEqual([lookup.found for lookup in cache.get_many(['a:1', 'a:2', 'b:1'])], [False, False, True])

    def test_invalidate_tags_removes_what_has_one_of_any_number_of_tags(self):
        cache = self.start()
        cache.set('a', 1, tags=['t:0', 'u'])
        cache.set_many([Entry('b', 1, tags=['t:39']), Entry('c', 1)], tags=['u'])
        self.assertEqual(cache.invalidate_tags([f't:{n}' for n in range(40)]), 2)
        self.assertEqual(cache.invalidate_tags(('u',)), 1)

    def test_tags_of_an_iterator_are_those_of_a_list(self):
        cache = self.start()
        for call in [
            lambda tags: cache.set('k', 1, tags=tags),
            lambda tags: cache.set_many({'j': 1, 'k': 1}, tags=tags),
            lambda tags: cache.set_many([Entry('k', 1, tags=tags)]),
            lambda tags: cache.set('k', 1, lease=cache.lease('k', tags=tags).lease.token, tags=['t']),
            lambda tags: cache.get_or_set('k', 60, lambda: 1, tags=tags),
            lambda tags: cache.get_or_set('k', 60, lambda: 1, tags_of=lambda value, key: tags),
            lambda tags: cache.get_or_set_many(['j', 'k'], 60, lambda keys: keys, tags=tags),
        ]:
            call(iter(['t']))
            self.assertEqual({listed.key: listed.tags for listed in cache.keys()}['k'], ['t'])
            self.assertGreater(cache.invalidate_tags(iter(['t'])), 0)
        token = cache.lease('k', tags=iter(['t'])).lease.token
        cache.invalidate_tags(['t'])
        with self.assertRaises(LeaseLostError):
            cache.set('k', 1, lease=token)

    def test_an_invalid_tag_is_named_by_its_index_in_the_callers_list(self):
        tags = [f't:{n}' for n in range(40)]
        tags[35] = ''
        with self.assertRaises(ValidationError) as caught:
            self.start().invalidate_tags(tags)
        self.assertEqual(caught.exception.issues[0]['field'], 'tags.35')

    def test_keys_lists_by_pattern_and_tag_in_pages(self):
        cache = self.start()
        cache.set_many({f'k:{n:03}': n for n in range(25)}, ttl=60, tags=['even'])
        cache.set('other', 1, ttl=60, tags=['odd'])
        self.assertEqual([each.key for each in cache.keys(pattern='k:*', limit=10)], [f'k:{n:03}' for n in range(25)])
        [listed] = cache.keys(tag='odd')
        self.assertEqual((type(listed), listed.key, listed.stale, listed.tags), (ListedKey, 'other', False, ['odd']))
        self.assertEqual(list(cache.for_tenant(new_tenant()).keys()), [])

    def test_clear_removes_all_entries_and_usage_counts_them(self):
        cache = self.start()
        cache.set_many({'a': 1, 'b': 2})
        usage = cache.usage()
        self.assertEqual((usage['tenant_id'], usage['entries'], usage['bytes']['sampled']), (cache.tenant, 2, 2))
        cache.clear()
        self.assertEqual(cache.usage()['entries'], 0)

    def test_health_returns_the_state_of_the_service(self):
        self.assertEqual(self.start().health()['status'], 'healthy')

    def test_a_set_whose_lease_was_lost_raises_and_changes_nothing(self):
        cache = self.start()
        lookup = cache.lease('k', lease=60, tags=['t'])
        self.assertFalse(lookup.found)
        self.assertGreater(cache.lease('k').retry_after, 0)
        cache.invalidate_tags(['t'])
        with self.assertRaises(LeaseLostError):
            cache.set('k', 1, lease=lookup.lease.token)
        self.assertFalse(cache.get('k').found)

    def test_a_lease_sets_a_value_or_is_released(self):
        cache = self.start()
        token = cache.lease('k').lease.token
        cache.release('k', token)
        cache.release('k', token)
        token = cache.lease('k').lease.token
        cache.set('k', 1, lease=token)
        self.assertEqual(cache.lease('k')[:3], ('k', True, 1))


class BadInput:
    def test_an_invalid_field_is_a_validation_error_with_all_issues(self):
        with self.assertRaises(ValidationError) as caught:
            self.start().set('', 1, ttl=0)
        error = caught.exception
        self.assertEqual([issue['field'] for issue in error.issues], ['key', 'ttl'])
        self.assertEqual((error.code, error.status), ('VALIDATION_ERROR', 400))
        self.assertEqual(str(error), 'key must not be empty')

    def test_an_issue_of_a_batch_names_the_index_in_the_callers_list(self):
        cache = self.start()
        keys = [f'k:{n}' for n in range(250)]
        keys[130] = ''
        for call, field in [
            (lambda: cache.get_many(keys), 'keys.130'),
            (lambda: cache.delete_many(keys), 'keys.130'),
            (lambda: cache.set_many([Entry('twice', 1), *(Entry(key, 1) for key in keys), Entry('twice', 1)]), 'items.131.key'),
        ]:
            with self.subTest(field), self.assertRaises(ValidationError) as caught:
                call()
            self.assertEqual(caught.exception.issues[0]['field'], field)
            self.assertIn(field, str(caught.exception))

    def test_a_value_that_is_too_large_raises(self):
        for megabytes in (6, 11):
            with self.subTest(megabytes), self.assertRaises(PayloadTooLargeError) as caught:
                self.start().set('k', 'x' * megabytes * 1024**2)
            self.assertGreater(caught.exception.max_bytes, 5_000_000)

    def test_a_url_that_leads_elsewhere_raises(self):
        with self.assertRaisesRegex(NotFoundError, '/elsewhere/api/v1/cache'):
            self.start(URL + '/elsewhere').get('k')

    def test_half_a_surrogate_pair_in_a_key_is_a_validation_error(self):
        cache = self.start()
        for call in (lambda: cache.get('\ud83d'), lambda: cache.set('\ud83d', 1), lambda: cache.get_many(['a', '\ud83d'])):
            with self.assertRaises(ValidationError):
                call()

    def test_an_argument_of_the_wrong_type_raises_a_type_error_that_names_it(self):
        cache = self.start()
        for name, call in [
            ('key', lambda: cache.get(None)),
            ('key', lambda: cache.set(b'k', 1)),
            ('ttl', lambda: cache.set('k', 1, ttl='60')),
            ('ttl', lambda: cache.set('k', 1, ttl=True)),
            ('ttl', lambda: cache.get_or_set('k', None, lambda: 1)),
            ('grace', lambda: cache.set('k', 1, grace='1')),
            ('tags', lambda: cache.set('k', 1, tags='tag')),
            ('tags', lambda: cache.invalidate_tags('tag')),
            ('tags must be a list', lambda: cache.invalidate_tags(5)),
            ('tags must be a list', lambda: cache.get_or_set('k', 60, lambda: 1, tags=5)),
            ('keys must be a list', lambda: cache.get_many(5)),
            ('keys', lambda: cache.get_many('key')),
            ('keys', lambda: cache.delete_many(['a', 1])),
            (r'entries\[0\]', lambda: cache.set_many([('k', 1)])),
            (r'entries\[1\]\.key', lambda: cache.set_many([Entry('k', 1), Entry(1, 1)])),
            ('pattern', lambda: cache.invalidate(None)),
            ('limit must be a whole number', lambda: list(cache.keys(limit='5'))),
            ('max_connections', lambda: self.start(max_connections='5')),
            ('ssl_context', lambda: self.start(ssl_context=True)),
            ('pattern', lambda: list(cache.keys(pattern=1))),
            ('produce', lambda: cache.get_or_set('k', 60, 'value')),
            ('timeout_ms', lambda: cache.get('k', timeout_ms=1)),
            ('grcae', lambda: cache.get_or_set('k', 60, lambda: 1, grcae=1)),
            ('timeout', lambda: cache.get('k', timeout='1')),
            ('headers', lambda: cache.get('k', headers='traceparent')),
            ('traceparent', lambda: cache.get('k', headers={'traceparent': 1})),
        ]:
            with self.subTest(name), self.assertRaisesRegex(TypeError, name):
                call()

    def test_an_argument_out_of_range_raises_a_value_error_that_names_it(self):
        cache = self.start()
        for name, call in [
            ('tags', lambda: cache.invalidate_tags([])),
            ('timeout', lambda: cache.get('k', timeout=0)),
            ('max_connections', lambda: self.start(max_connections=0)),
            ('produce_timeout', lambda: cache.get_or_set('k', 60, lambda: 1, produce_timeout=-1)),
            ('timeout', lambda: cache.get('k', timeout=math.inf)),
            ('ttl', lambda: cache.set('k', 1, ttl=math.nan)),
            ('x-any', lambda: cache.get('k', headers={'X-Any': 'a\r\nb: c'})),
            ('x-any', lambda: cache.get('k', headers={'X-Any': '日本'})),
        ]:
            with self.subTest(name), self.assertRaisesRegex(ValueError, name):
                call()

    def test_a_coroutine_function_that_would_not_be_awaited_raises(self):
        async def function(*_):
            self.fail('must not run')

        class Callable:
            async def __call__(self, *_):
                pass

        for each in (function, Callable(), partial(function, 1)):
            for name in ('headers', 'on_error', 'dumps', 'loads'):
                with self.subTest(name), self.assertRaisesRegex(TypeError, f'{name} must not be a coroutine function'):
                    self.start(**{name: each})
            with self.assertRaisesRegex(TypeError, 'tags_of must not be a coroutine function'):
                self.start().get_or_set('k', 60, lambda: 1, tags_of=each)

    def test_an_invalid_option_of_the_client_raises(self):
        for url in ['localhost:8080', 'ftp://host', 'http://user@host', 'http://host/?', 'http://host#', '', 'http://[']:
            with self.subTest(url), self.assertRaisesRegex(ValueError, 'url'):
                Cache(url, 't')
        for options in [{'tenant': None}, {'tenant': 't', 'authorize': 'token'}, {'tenant': 't', 'user_id': 1}]:
            with self.subTest(options), self.assertRaises(TypeError):
                Cache(URL, **options)
        for options in [{'retries': -1}, {'timeout': 0}, {'produce_timeout': -1}]:
            with self.subTest(options), self.assertRaises(ValueError):
                Cache(URL, 't', **options)


def encode(value):
    if isinstance(value, datetime):
        return {'$date': value.isoformat()}
    raise TypeError(f'{value!r} is not serializable')


def decode(members):
    return datetime.fromisoformat(members['$date']) if '$date' in members else members


class Values:
    def test_values_of_json_come_back_as_json_represents_them(self):
        cache = self.start()
        numbers = [12345678901234567890123, 0.1, 1.0, -1.5e-300, 1e308, 2**53 + 1, 5e-324, -0.0]
        texts = ['', '\u2028', '\x00\x1f', '"\\', '日本🎈', '\ud83d', '\udf88\ud83c']
        for value in [*numbers, *texts, True, [], {}, [[{'a': [None]}]]]:
            with self.subTest(value):
                cache.set('k', value)
                self.assertEqual(repr(cache.get('k').value), repr(value))
        cache.set('k', OrderedDict([(1, (1, 2)), ('b', None)]))
        self.assertEqual(cache.get('k').value, {'1': [1, 2], 'b': None})

    def test_a_value_that_json_cannot_represent_raises_a_type_error_before_anything_is_sent(self):
        server = self.script(b'')
        cache = self.start(server.url)
        cycle = []
        cycle.append(cycle)
        deep = []
        for _ in range(100_000):
            deep = [deep]
        values = [datetime.now(), Decimal('1.0'), b'bytes', math.nan, -math.inf, {1, 2}, object(), cycle, deep, {(1, 2): 3}]
        for value in values:
            for call in [
                lambda: cache.set('k', value),
                lambda: cache.set_many({'a': 1, 'b': value}),
                lambda: cache.set_many([Entry('a', 1), Entry('b', value)]),
            ]:
                with self.subTest(type(value)), self.assertRaisesRegex(TypeError, 'value must be serializable as JSON: .'):
                    call()
        with self.assertRaisesRegex(TypeError, r'entries\[1\].value'):
            cache.set_many({'a': 1, 'b': b''})
        self.assertEqual(server.connections, 0)

    def test_a_callers_own_encoder_and_decoder_carry_other_types(self):
        cache = self.start(dumps=partial(json.dumps, default=encode), loads=partial(json.loads, object_hook=decode))
        value = {'at': datetime(2026, 1, 2, 3, 4, 5)}
        cache.set('k', value)
        self.assertEqual(cache.get('k').value, value)
        self.assertEqual(cache.get_or_set('l', 60, lambda: value), value)
        self.assertEqual(cache.get_or_set('l', 60, lambda: None), value)

    def test_an_encoder_may_return_bytes_and_a_decoder_exact_numbers(self):
        cache = self.start(
            dumps=lambda value: str(value).encode(), loads=partial(json.loads, parse_float=Decimal, parse_int=Decimal)
        )
        value = Decimal('1.10')
        self.assertEqual(cache.set('k', value, ttl=60).ttl, 60)
        found = cache.get('k')
        self.assertEqual(repr(found.value), repr(value))
        self.assertIs(type(found.ttl), int)

    def test_an_encoder_that_returns_no_text_raises_a_type_error(self):
        with self.assertRaisesRegex(TypeError, 'dumps returned NoneType'):
            self.start(dumps=lambda value: None).set('k', 1)


CacheOperations, AsyncCacheOperations = Both.of(Operations)
CacheBadInput, AsyncCacheBadInput = Both.of(BadInput)
CacheValues, AsyncCacheValues = Both.of(Values)
