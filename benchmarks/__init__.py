"""How fast it is, beside the same in NumPy and numba."""
