"""A TorchX backend. IBM Spectrum LSF clusters."""
