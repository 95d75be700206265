"""Bearer tokens and signatures: the published ones of AWS."""

import asyncio
import unittest

from cache_service import Bearer, Credentials, Outgoing, SigV4
from support import MISS, UNAVAILABLE, WAS_SET, Both

KEYS = Credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')
NOON = 1440938160
"""2015-08-30 12:36 UTC, in epoch seconds: the time of AWS's own examples."""


class Signatures(unittest.TestCase):
    def test_a_signature_is_the_one_that_aws_publishes(self):
        form = {'content-type': 'application/x-www-form-urlencoded; charset=utf-8'}
        for name, service, request, expected in [
            (
                'get-vanilla of the Signature Version 4 test suite',
                'service',
                Outgoing('GET', 'https://example.amazonaws.com/', {}, b''),
                'host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
            ),
            (
                'get-vanilla-query-order-key-case of that suite',
                'service',
                Outgoing('GET', 'https://example.amazonaws.com/?Param2=value2&Param1=value1', {}, b''),
                'host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
            ),
            (
                'post-vanilla of that suite',
                'service',
                Outgoing('POST', 'https://example.amazonaws.com/', {}, b''),
                'host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
            ),
            (
                'ListUsers of the IAM User Guide',
                'iam',
                Outgoing('GET', 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08', form, b''),
                'content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
            ),
        ]:
            with self.subTest(name):
                headers = SigV4(region='us-east-1', credentials=KEYS, service=service, now=lambda: NOON)(request)
                self.assertEqual(headers['x-amz-date'], '20150830T123600Z')
                scope = f'AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request'
                self.assertEqual(
                    headers['authorization'], f'AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={expected}'
                )

    def test_a_signature_covers_the_body(self):
        sign = SigV4(region='us-east-1', credentials=KEYS, now=lambda: NOON)
        signatures = {sign(Outgoing('POST', 'https://example.com/', {}, body))['authorization'] for body in (b'', b'a', b'b')}
        self.assertEqual(len(signatures), 3)

    def test_invalid_arguments_raise(self):
        for arguments in [{'region': ''}, {'region': None}, {'region': 'eu', 'credentials': None}, {'region': 'eu', 'credentials': {}}]:
            with self.subTest(arguments), self.assertRaises(TypeError):
                SigV4(**{'credentials': KEYS, **arguments})
        with self.assertRaises(TypeError):
            Bearer(None)

    def test_credentials_of_botocore_fit(self):
        try:
            from botocore.credentials import Credentials as BotoCredentials
        except ImportError:
            self.skipTest('botocore is not installed')
        credentials = BotoCredentials(KEYS.access_key, KEYS.secret_key, 'session')
        request = Outgoing('GET', 'https://example.amazonaws.com/', {}, b'')
        signed = SigV4(region='eu', credentials=credentials.get_frozen_credentials, now=lambda: NOON)(request)
        own = SigV4(region='eu', credentials=KEYS._replace(token='session'), now=lambda: NOON)(request)
        self.assertEqual(signed, own)
        self.assertEqual(signed['x-amz-security-token'], 'session')


class Authorization:
    def test_a_signature_covers_tenant_user_and_body_and_no_header_that_proxies_rewrite(self):
        server = self.script(WAS_SET, MISS)
        cache = self.start(
            server.url,
            user_id='u',
            authorize=SigV4(region='eu-central-1', credentials=lambda: KEYS._replace(token='session')),
            headers=lambda: {'traceparent': '00-1', 'x-amz-meta': 'a  b', 'x-any': 'b'},
        )
        cache.set('k', 1)
        cache.get('k')
        always = 'host;x-amz-date;x-amz-meta;x-amz-security-token;x-tenant-id;x-user-id'
        for request, names in zip(server.requests, [f'content-type;{always}', always]):
            self.assertIn(f'/eu-central-1/execute-api/aws4_request, SignedHeaders={names}, ', request.headers['authorization'])

    def test_the_current_token_is_sent_with_each_request_and_retry(self):
        server = self.script(UNAVAILABLE, MISS)
        tokens = iter('abc')
        cache = self.start(server.url, authorize=Bearer(lambda: next(tokens)))
        cache.get('k')
        cache.for_tenant('t').get('k')
        self.assertEqual([request.headers['authorization'] for request in server.requests], ['Bearer a', 'Bearer b', 'Bearer c'])
        self.start(server.url, authorize=Bearer('fixed')).get('k')
        self.assertEqual(server.requests[-1].headers['authorization'], 'Bearer fixed')

    def test_a_function_of_the_callers_receives_the_request(self):
        server = self.script(WAS_SET)
        asked = []
        self.start(server.url, authorize=lambda request: asked.append(request) or {'X-Key': 'secret'}).set('é', 1)
        [request] = asked
        self.assertEqual((request.method, request.url), ('POST', f'{server.url}/api/v1/cache'))
        self.assertEqual((request.body, request.headers['content-type']), ('{"key":"é","value":1}'.encode(), 'application/json'))
        self.assertEqual(server.requests[0].headers['x-key'], 'secret')

    def test_an_error_of_the_callers_function_is_raised(self):
        server = self.script(MISS)
        for authorize, error in [(Bearer(lambda: None), TypeError), (Bearer(lambda: {}['token']), KeyError)]:
            with self.assertRaises(error):
                self.start(server.url, authorize=authorize).get('k')
        self.assertEqual(server.requests, [])


CacheAuthorization, AsyncCacheAuthorization = Both.of(Authorization)


class Coroutines(unittest.TestCase):
    def test_tokens_and_credentials_may_come_from_coroutine_functions(self):
        async def token():
            return 'renewed'

        async def credentials():
            return KEYS

        async def authorize(authorizer):
            return await authorizer(Outgoing('GET', 'https://example.amazonaws.com/', {}, b''))

        self.assertEqual(asyncio.run(authorize(Bearer(token))), {'authorization': 'Bearer renewed'})
        signed = asyncio.run(authorize(SigV4(region='us-east-1', service='service', credentials=credentials, now=lambda: NOON)))
        self.assertTrue(signed['authorization'].endswith('5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'))
