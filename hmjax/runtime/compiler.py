"""Options of XLA's compiler, which does without those that it does not know."""

import jax

Options = dict[str, bool | str]

MANY_SMALL_KERNELS: Options = {"xla_backend_optimization_level": "1"}
"""For what takes longer to compile than to run; it makes such programs no slower."""


def compile_with(lowered: jax.stages.Lowered, options: Options) -> jax.stages.Compiled:
    """Compiles with options, or without them if the compiler does not know one."""
    try:
        return lowered.compile(dict(options))
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return lowered.compile()
