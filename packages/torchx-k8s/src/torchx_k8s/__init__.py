"""A TorchX backend. Kubernetes: Job, JobSet, Volcano and MCAD."""
