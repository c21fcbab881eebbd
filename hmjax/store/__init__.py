"""The one folder format: written whole, locked, versioned, resumed, read."""
