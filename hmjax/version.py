"""The version, on its own so that building a wheel needs no JAX."""

__version__ = "0.6.0"
