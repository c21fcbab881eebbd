"""JAX's settings: those that hmjax's programs run under are its own, whatever the user's are.

Bits would depend on some of them (the generator, 64 bits, precision of products), and others would
stop programs half way (rank promotion, guards of transfers, checks for NaN, which here stands for
what has no meaning). What cannot be set from within a program is `bits_depend_on`.
"""

import contextlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from hmjax.errors import InvalidInput
from hmjax.version import __version__

_OWN: dict[str, Any] = {
    "enable_x64": False,
    "threefry_partitionable": True,
    "default_matmul_precision": "highest",
    "numpy_rank_promotion": "allow",
    "numpy_dtype_promotion": "standard",
    "transfer_guard": "allow",
    "disable_jit": False,
    "debug_nans": False,
    "debug_infs": False,
}

_COMPILER_SETTINGS = (
    "jax_disable_most_optimizations",
    "jax_exec_time_optimization_effort",
    "jax_optimization_level",
)


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Runs what is within, in this thread, under hmjax's own JAX settings.

    Raises:
      InvalidInput: if JAX has no device to run on.
    """
    devices()
    with _own(*_OWN):
        yield


def own_generator() -> contextlib.AbstractContextManager[None]:
    """Has keys give what is within the bits that they give under JAX's default settings."""
    return _own("threefry_partitionable")


def devices() -> list[jax.Device]:
    """The devices that this host trains on: all it has, or that of `with jax.default_device(d)`.

    Raises:
      InvalidInput: if JAX has none.
    """
    try:
        local = jax.local_devices()
        match default_device():
            case None:
                return local
            case str(name):
                return jax.local_devices(backend=name)
            case device:
                return [device]
    except (RuntimeError, AssertionError) as error:  # the second where jaxlib has no such platform
        asked = os.environ.get("JAX_PLATFORMS")
        why = (str(error) or "JAX has no such platform here").splitlines()[0]
        raise InvalidInput(f"JAX_PLATFORMS is {asked!r}: {why}") from None


def default_device() -> Any:
    """The device, or the name of the platform, that this thread was given; `None` if none."""
    return getattr(jax.config, "jax_default_device", None)


def bits_depend_on() -> dict[str, Any]:
    """What the bits of a seed may depend on besides its experiment, as JSON values."""
    device = devices()[0]
    packages = ("jax", "jaxlib", "numpy", "optax")
    return {
        "versions": {"hmjax": __version__} | {package: _version(package) for package in packages},
        "machine": platform.machine(),
        "processor": processor(),
        "device": {"platform": device.platform, "kind": device.device_kind},
        "xla_flags": os.environ.get("XLA_FLAGS"),
        "jax_settings": {name: str(getattr(jax.config, name, None)) for name in _COMPILER_SETTINGS},
    }


def processor() -> str:
    """The name of this machine's processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _own(*names: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in names:
            # Where a later JAX has no such setting, there is nothing to set.
            if (setting := getattr(jax, name, None)) is not None:
                stack.enter_context(setting(_OWN[name]))
        yield


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
