"""How the documentation is built: ``sphinx-build -W -n --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

from torchx.version import __version__  # noqa: E402

project = "TorchX"
author = "the TorchX authors"
copyright = "the TorchX authors"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "generated",
    "short_names",
]
exclude_patterns = ["_build"]
nitpicky = True
# Of a library without an inventory to link to; and of no concern to readers.
nitpick_ignore = [("py:class", "DockerClient"), ("py:class", "Extended"), ("py:class", "ImageName")]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"TorchX {release}"
html_static_path: list[str] = []
