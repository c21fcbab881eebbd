from hmjax import platform


def test_flags_already_set_are_kept(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    platform.prepare()
    platform.prepare()
    import os

    first, second = os.environ["XLA_FLAGS"].split()
    assert first == "--xla_cpu_enable_fast_math=false"
    assert second.startswith("--xla_backend_extra_options=")
