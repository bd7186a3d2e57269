"""A TorchX backend. Docker containers on this machine, and the docker and oci image workspaces."""
