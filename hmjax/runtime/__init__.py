"""What is fragile in JAX, each with its reason."""
