"""A TorchX backend. Slurm clusters."""
