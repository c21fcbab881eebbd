import functools
import os
import subprocess
import sys

import jax
import pytest
from helpers import ROOT

from hmjax.runtime import platform


def test_flags_already_set_are_kept(monkeypatch):
    given = "--xla_cpu_enable_fast_math=false --xla_cpu_prefer_vector_width=128"
    monkeypatch.setenv("XLA_FLAGS", given)
    platform.prepare()
    platform.prepare()
    *kept, added = os.environ["XLA_FLAGS"].split()
    assert kept == given.split()
    assert added.startswith("--xla_backend_extra_options=")


@pytest.mark.parametrize(("chosen", "told"), [("", False), ("cpu", True)])
def test_an_accelerators_compiler_is_told_nothing(chosen, told, monkeypatch):
    monkeypatch.setattr(platform.importlib.metadata, "entry_points", lambda group: ["a plugin"])
    monkeypatch.setenv("JAX_PLATFORMS", chosen)
    monkeypatch.setenv("XLA_FLAGS", "")
    platform.prepare()
    assert bool(os.environ["XLA_FLAGS"]) == told


@pytest.mark.parametrize("named", [False, True])
def test_what_is_compiled_is_kept_in_the_users_cache(named, monkeypatch, tmp_path):
    kept = {}
    monkeypatch.setattr(jax.config, "update", kept.__setitem__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not named:
        monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    platform.cache_compiled()
    folder = {} if named else {"jax_compilation_cache_dir": str(tmp_path / "hmjax")}
    assert kept == folder  # the tests' own threshold stands


# What is fragile in JAX is done without where it is not there: slower, to the same bits.
WITHOUT = {
    "nothing": "",
    "flags": "import hmjax.runtime.platform as p; p._KNOWN = 'none'; p._VECTOR_WIDTH = 'wide'",
    "LLVM's options": (
        "import hmjax.runtime.platform as p; p._KNOWN = 'none'; "
        "p._CPU_OPTIONS = {'-no-such-option-of-llvm': 1}"
    ),
    "a cipher of one's own": "import jax.extend.random as r; del r.define_prng_impl",
    "compiler options": (
        "import hmjax.runtime.compiler as c; c.MANY_SMALL_KERNELS.clear(); "
        "c.MANY_SMALL_KERNELS['xla_no_such_option'] = '1'"
    ),
}


@functools.cache
def trained_without(what: str, cache: str) -> str:
    """What the parameters are of the smallest training, where something is not there."""
    script = (
        f"{WITHOUT[what]}\n"
        "import hashlib, dataclasses, jax, numpy as np\n"
        "from hmjax.runtime import platform; platform.prepare()\n"
        "import hmjax; from configs import debug\n"
        "params = hmjax.train(dataclasses.replace(debug.experiment, steps=600)).params\n"
        "leaves = b''.join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(params))\n"
        "print(hashlib.sha256(leaves).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "", "XDG_CACHE_HOME": cache},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "what", ["flags", "LLVM's options", "a cipher of one's own", "compiler options"]
)
def test_what_is_fragile_is_done_without_where_it_is_not_there(what, tmp_path_factory):
    cache = str(tmp_path_factory.getbasetemp())
    assert trained_without(what, cache) == trained_without("nothing", cache)


def test_whether_flags_are_taken_is_tried_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(platform, "_KNOWN", "none")
    assert not platform._are_taken(["--xla_no_such_flag=1"])
    monkeypatch.setattr(platform.subprocess, "run", None)
    assert not platform._are_taken(["--xla_no_such_flag=1"])
    assert platform._are_taken([])
