"""Programs of the components in ``torchx.components.utils`` and ``metrics``."""
