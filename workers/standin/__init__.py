"""A stand-in for a vLLM server: its routes, its errors, its figures, and words that mean nothing.

It is a process of its own, started with vLLM's own flags, so that a deployment in the demo is carried out as a real one
is: a child, a health check, a probe, a switch. `tests/models/test_contract.py` asks it and a real vLLM the same.
"""
