"""Programs of the components in ``torchx.components.serve``."""
