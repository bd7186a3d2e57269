"""The trackers that come with TorchX."""
