"""GPU grants as Slurm allocations: `executor.py` over the port of `port.py`, spoken by commands or by slurmrestd."""
