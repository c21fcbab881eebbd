import os

from hmjax import platform


def test_flags_already_set_are_kept(monkeypatch):
    given = "--xla_cpu_enable_fast_math=false --xla_cpu_prefer_vector_width=128"
    monkeypatch.setenv("XLA_FLAGS", given)
    platform.prepare()
    platform.prepare()
    *kept, added = os.environ["XLA_FLAGS"].split()
    assert kept == given.split()
    assert added.startswith("--xla_backend_extra_options=")
