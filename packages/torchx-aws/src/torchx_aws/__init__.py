"""A TorchX backend. AWS Batch and Amazon SageMaker."""
