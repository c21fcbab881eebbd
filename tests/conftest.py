import os
import signal
import tempfile

import hypothesis
import jax
import pytest

from hmjax.runtime import platform

# Tests, the processes that they are shared out to and the programs that they start share what they
# compile with each other, and nothing else.
if "HMJAX_TESTS_CACHE" not in os.environ:
    CACHE = tempfile.TemporaryDirectory(prefix="hmjax-tests-")
    os.environ["HMJAX_TESTS_CACHE"] = CACHE.name
for name, value in {
    "jax_compilation_cache_dir": os.environ["HMJAX_TESTS_CACHE"],
    "jax_persistent_cache_min_compile_time_secs": 0.0,
}.items():
    os.environ[name.upper()] = str(value)
    jax.config.update(name, value)
os.environ["MPLBACKEND"] = "agg"

# The same examples every time, so that what passes once passes again.
hypothesis.settings.register_profile(
    "fixed", deadline=None, derandomize=True, database=None, max_examples=60
)
hypothesis.settings.load_profile("fixed")

# A shell's background jobs ignore Ctrl-C, and so would the programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Two devices on any machine, so that what is sharded is sharded in the tests.
platform.prepare()
jax.config.update("jax_num_cpu_devices", 2)

# Functions that people call in programs of their own have to bear what those are strict about.
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_let_go():
    """Each is mapped into memory in pieces, of which Linux allows a process 65,530."""
    yield
    jax.clear_caches()
