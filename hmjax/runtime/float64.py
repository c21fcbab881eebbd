"""Float64 within a program of float32.

JAX has one switch for all of a program, and what is traced while it is on may be batched or
differentiated later, when it is off again: JAX then takes float64 for float32, with a warning. What
is in float64 is therefore a closed box: float32 goes in and comes out, `vmap` opens it with the
switch on, and derivatives go around it (give what calls it a rule of its own).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

F = TypeVar("F", bound=Callable[..., Any])


def in_float64(function: F) -> F:
    """A function of float32 arrays whose every operation is in float64.

    Args:
      function: of pytrees of floating-point arrays, given by position.

    Returns:
      The same, from float32 to float32. It can be compiled and mapped; it has no derivative.
    """

    @custom_vmap
    def boxed(*arguments: Any) -> Any:
        with jax.enable_x64(True):
            return _cast(jnp.float32, function(*_cast(jnp.float64, arguments)))

    @boxed.def_vmap
    def _(axis_size: int, is_mapped: Any, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda mapped: 0 if mapped else None, tuple(is_mapped))
        mapped = in_float64(jax.vmap(function, in_axes=axes, axis_size=axis_size))
        results = mapped(*arguments)
        return results, jax.tree.map(lambda _: True, results)

    return cast(F, boxed)


def _cast(dtype: Any, tree: Any) -> Any:
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )
