"""Type aliases and the placeholder strings that the whole surface shares."""

from __future__ import annotations

CfgVal = str | int | float | bool | list[str] | dict[str, str] | None
"""A value of a scheduler option."""

AppHandle = str
"""``{scheduler}://{session}/{app_id}``: names one submitted job."""

ALL = "all"
MISSING = "<MISSING>"
NONE = "<NONE>"
UNKNOWN = "<UNKNOWN>"
