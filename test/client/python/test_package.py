"""The package: its surface, its syntax and its installation."""

import ast
import glob
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import cache_service
from cache_service import AsyncCache, Cache

FOLDER = os.path.dirname(cache_service.__file__)
HAS_PIP = all(importlib.util.find_spec(name) for name in ('pip', 'setuptools', 'wheel'))


def methods_of(client):
    return {name: each for name, each in vars(client).items() if inspect.isfunction(each) and not name.startswith('_')}


class Package(unittest.TestCase):
    def test_both_clients_have_the_same_methods_and_parameters(self):
        methods, async_methods = methods_of(Cache), methods_of(AsyncCache)
        methods['aclose'] = methods.pop('close')
        self.assertEqual(sorted(methods), sorted(async_methods))
        for name, method in {**methods, '__init__': Cache.__init__}.items():
            parameters = list(inspect.signature(method).parameters)
            self.assertEqual(parameters, list(inspect.signature(getattr(AsyncCache, name)).parameters), name)
            if name != '__init__':
                self.assertTrue(method.__doc__ and getattr(AsyncCache, name).__doc__, name)

    def test_the_readme_lists_every_method_option_and_error(self):
        with open(os.path.join(FOLDER, '..', 'README.md'), encoding='utf-8') as file:
            readme = file.read()
        rows = re.findall(r'^\| (`.*?) \|', readme, re.MULTILINE)
        names = set(re.findall(r'`(\w+)', ' '.join(rows)))
        options = set(inspect.signature(Cache.__init__).parameters) - {'self'}
        errors = {name for name in cache_service.__all__ if name.endswith('Error')} - {'CacheError'}
        self.assertEqual({*methods_of(Cache), *methods_of(AsyncCache), *options, *errors} - names, set())

    def test_all_names_of_the_package_are_listed(self):
        public = {name for name, each in vars(cache_service).items() if inspect.isclass(each)}
        self.assertEqual(public, set(cache_service.__all__))

    def test_every_file_has_the_syntax_of_python_3_9(self):
        files = glob.glob(os.path.join(FOLDER, '*.py'))
        self.assertGreater(len(files), 10)
        for path in files:
            with self.subTest(path), open(path, encoding='utf-8') as file:
                ast.parse(file.read(), path, feature_version=(3, 9))

    @unittest.skipUnless(HAS_PIP, 'pip, setuptools or wheel is not installed')
    def test_pip_installs_the_package_with_its_types(self):
        with tempfile.TemporaryDirectory() as directory:
            # The build writes into the folder of the sources.
            source, target = os.path.join(directory, 'source'), os.path.join(directory, 'target')
            shutil.copytree(os.path.join(FOLDER, '..'), source, ignore=shutil.ignore_patterns('__pycache__'))
            pip = [sys.executable, '-m', 'pip', 'install', '--no-build-isolation', '--no-deps', '--no-index', '-q']
            subprocess.run([*pip, '--target', target, source], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            installed = os.listdir(os.path.join(target, 'cache_service'))
            sources = [name for name in os.listdir(FOLDER) if name != '__pycache__']
            self.assertEqual(sorted(set(installed) - {'__pycache__'}), sorted(sources))
            self.assertIn('py.typed', installed)
