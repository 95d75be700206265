"""Errors can be pickled, and contain what a log needs."""

import copy
import pickle
import unittest

import cache_service
from cache_service import CacheError, ConnectionFailedError, PayloadTooLargeError, ValidationError


class TenantError(CacheError):
    """As a caller may write one, with parameters of its own."""

    def __init__(self, tenant):
        super().__init__(f'{tenant} is another tenant', status=403, details={'tenant': tenant}, correlation_id='c-1')
        self.tenant = tenant


class Errors(unittest.TestCase):
    def test_errors_survive_pickle_and_copy(self):
        issues = [{'field': 'key', 'message': 'must not be empty'}]
        refused = ConnectionFailedError('The cache could not be reached', reason='refused')
        refused.maybe_sent = False
        errors = [
            ValidationError('The request is not valid', status=400, details={'issues': issues}, correlation_id='c', request_id='r'),
            CacheError('Too many', code='HTTP_429', status=429, retry_after=1.5),
            refused,
            TenantError('acme'),
        ]
        for error in errors:
            for copied in [pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)]:
                self.assertIs(type(copied), type(error))
                self.assertEqual((str(copied), copied.args, vars(copied)), (str(error), error.args, vars(error)))
        self.assertEqual(pickle.loads(pickle.dumps(errors[0])).issues, issues)

    def test_each_class_has_its_code_and_the_base_class(self):
        classes = [each for name, each in vars(cache_service).items() if name.endswith('Error')]
        self.assertGreater(len(classes), 10)
        for each in classes:
            self.assertTrue(issubclass(each, CacheError))
        codes = {each.code for each in classes}
        self.assertGreater(len(codes), 10)
        self.assertEqual(CacheError('').code, 'UNKNOWN')

    def test_the_message_is_completed_with_the_reason(self):
        issues = {'issues': [{'field': 'ttl', 'message': 'is too long'}, {'field': 'key', 'message': 'is empty'}]}
        self.assertEqual(str(ValidationError('Not valid', details=issues)), 'Not valid: ttl is too long')
        self.assertEqual(str(ValidationError('ttl is too long', details=issues)), 'ttl is too long')
        self.assertEqual(str(CacheError('No response', reason=OSError('refused'))), 'No response: refused')

    def test_a_payload_that_is_too_large_has_the_limits(self):
        error = PayloadTooLargeError('Too large', details={'max_bytes': 5, 'fitting': 2})
        self.assertEqual((error.max_bytes, error.fitting), (5, 2))
        self.assertEqual((PayloadTooLargeError('').max_bytes, PayloadTooLargeError('').fitting), (None, None))
