import os

import jax
import pytest

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
