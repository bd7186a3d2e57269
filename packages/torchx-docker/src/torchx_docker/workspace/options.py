"""The options of both image builders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs import CfgVal, runopts

#: An architecture alone is for Linux.
_PLATFORM = re.compile(
    r"(?i:amd64|x86_64|x86-64|386|arm64|aarch64|arm|armhf|armel|ppc64le|s390x|riscv64|loong64|mips64le)"
    r"|[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,2}"
)
LABEL_VERSION = "torchx.pytorch.org/version"


def image_opts() -> runopts:
    """The options, with their defaults."""
    from torchx.specs import runopts

    opts = runopts()
    opts.add(
        "image_repo",
        type_=str,
        default=None,
        help="repository to push images to, such as registry.example.com/team/images "
        "(workspace_type=oci: by default that of the base image)",
    )
    opts.add("quiet", type_=bool, default=False, help="do not show how the image is built and pushed")
    opts.add(
        "image_platform",
        type_=str,
        default=None,
        help="platform of the image, such as linux/arm64 "
        "(by default the engine's own; workspace_type=oci: all that the base image is made for)",
    )
    return opts


def text_option(cfg: Mapping[str, CfgVal], name: str) -> str:
    """The value of an option; empty where it is not set."""
    value = cfg.get(name)
    return "" if value is None else str(value)


def platform_option(cfg: Mapping[str, CfgVal]) -> str:
    """The platform of ``image_platform``; empty where it is not set.

    Raises:
        UsageError: it can't be one.
    """
    platform = text_option(cfg, "image_platform")
    if platform and not _PLATFORM.fullmatch(platform):
        from torchx.errors import UsageError

        raise UsageError(
            f"image_platform=`{platform}` is not a platform: system/architecture[/variant]",
            hint="image_platform=linux/amd64 or linux/arm64",
        )
    return platform


def image_labels() -> dict[str, str]:
    """The labels of every image that is built."""
    from torchx.version import __version__

    return {LABEL_VERSION: __version__}
