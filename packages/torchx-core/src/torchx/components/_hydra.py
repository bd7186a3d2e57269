"""Jobs described by Hydra configurations. Hydra is not among the requirements: who has such files has it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from torchx.errors import TorchXError, UsageError
from torchx.specs.api import AppDef

if TYPE_CHECKING:
    from collections.abc import Sequence


def compose_app(config_dir: str, config_name: str, overrides: Sequence[str]) -> AppDef:
    """The app that the configuration makes when it is instantiated.

    Args:
        config_dir: the folder of the configuration.
        config_name: its name.
        overrides: Hydra's overrides.

    Raises:
        TorchXError: Hydra is not installed.
        UsageError: the configuration does not exist, is malformed, or makes something else.
    """
    try:
        hydra = import_module("hydra")
        hydra_error = import_module("hydra.errors").HydraException
        config_error = import_module("omegaconf.errors").OmegaConfBaseException
        yaml_error = import_module("yaml").YAMLError
        instantiate = import_module("hydra.utils").instantiate
    except ModuleNotFoundError as e:
        raise TorchXError("component `hydra` needs Hydra, which is not installed", hint="pip install hydra-core") from e

    folder = os.path.abspath(os.path.expanduser(config_dir))
    try:
        with hydra.initialize_config_dir(config_dir=folder, version_base=None):
            app = instantiate(hydra.compose(config_name=config_name, overrides=list(overrides)), _convert_="all")
    except (hydra_error, config_error, yaml_error) as e:
        reason = " ".join(str(e).split())  # its messages go over several lines
        raise UsageError(f"Hydra configuration `{config_name}` in `{config_dir}`: {reason}") from e
    if not isinstance(app, AppDef):
        raise UsageError(
            f"Hydra configuration `{config_name}` in `{config_dir}` makes {type(app).__name__}, not an AppDef",
            hint="add `_target_: torchx.specs.AppDef` at its root",
        )
    return app
