"""What JAX is told before it starts."""

import os

_SMALL_LOOP_BYTES = 65_536


def prepare() -> None:
    """Lets XLA compile the loop over steps as one CPU function instead of a kernel an operation.

    A step is a few microseconds of work, so that launching its kernels one by one takes as long
    again. The bits are the same either way. Call this before anything is computed with JAX, which
    reads its flags once; a setting already in `XLA_FLAGS` is left alone.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        option = f"xla_cpu_small_while_loop_byte_threshold={_SMALL_LOOP_BYTES}"
        os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_extra_options={option}".strip()
