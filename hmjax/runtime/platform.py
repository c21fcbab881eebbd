"""What JAX is told before it starts."""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import jax

_CPU_OPTIONS = {
    # The loop over steps becomes one function instead of a kernel an operation: a step is under a
    # microsecond of work, and launching its kernels would take several times as long.
    "xla_cpu_small_while_loop_byte_threshold": 16_000_000,
    # A loop over the 16 or 32 units of a layer becomes a few vector instructions. Left alone, LLVM
    # writes it out as 16 or 32 scalar ones, three times slower for sigmoids and outer products.
    "-unroll-full-max-count": 4,
}

_VECTOR_WIDTH = 512  # bits; no more than the machine has is used

_WORTH_KEEPING_SECONDS = 0.1  # of compiling

_KNOWN = "0.10."  # versions of jaxlib that are known to take what they are told


def prepare() -> None:
    """Has XLA compile for small loops on a CPU, and makes every core a device of its own.

    Call this before anything is computed with JAX, which reads its settings once; later, it is in
    vain. What `XLA_FLAGS` already says of backend options, of the vector width or of the number of
    devices is left alone. Where JAX has a plugin for an accelerator, nothing is done unless
    `JAX_PLATFORMS=cpu`: what LLVM is told would hold there too. A compiler that would not take what
    it is told, and end the process, is told nothing: training is slower then.
    """
    accelerated = any(importlib.metadata.entry_points(group="jax_plugins"))
    if accelerated and os.environ.get("JAX_PLATFORMS") != "cpu":
        return
    options = ",".join(f"{name}={value}" for name, value in _CPU_OPTIONS.items())
    given = os.environ.get("XLA_FLAGS", "").split()
    wanted = {
        "xla_backend_extra_options": options,
        "xla_cpu_prefer_vector_width": _VECTOR_WIDTH,
    }
    added = [
        f"--{flag}={value}"
        for flag, value in wanted.items()
        if not any(each.startswith(f"--{flag}=") for each in given)
    ]
    if _are_taken(added):
        os.environ["XLA_FLAGS"] = " ".join([*given, *added])
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):  # JAX has started
            jax.config.update("jax_num_cpu_devices", _cores())


@functools.cache
def vector_floats() -> int:
    """How many float32 numbers a vector of this machine's processor holds; 4 if it does not say."""
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
        return 16 if "avx512f" in flags else 8 if "avx2" in flags else 4
    return 4


def cache_compiled() -> None:
    """Has JAX keep what it compiles in a folder of the user's, for the next run to load.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `JAX_ENABLE_COMPILATION_CACHE=0` turns it
    off, as JAX documents.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(_cache()))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING_SECONDS)


def _are_taken(flags: list[str]) -> bool:
    """Whether the compiler takes flags; tried once, in another process, if that is not known."""
    version = importlib.metadata.version("jaxlib")
    if version.startswith(_KNOWN) or not flags:
        return True
    name = hashlib.sha256(" ".join([version, *flags]).encode()).hexdigest()[:16]
    path = _cache() / f"flags-{name}"
    with contextlib.suppress(OSError):
        return path.read_text() == "taken"
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import jax; jax.jit(lambda x: x + 1)(1.0)"],
            env=os.environ | {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    taken = done.returncode == 0
    # What fails for lack of memory may not do so again.
    if taken or re.search(r"unknown|invalid", done.stderr, re.IGNORECASE):
        unique = path.with_name(f"{path.name}-{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            unique.write_text("taken" if taken else "refused")
            unique.replace(path)
    return taken


def _cache() -> Path:
    """The folder of the user's that is kept for later runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hmjax"


def _cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
