"""The port to backends, and one module a backend."""
