"""The command line, and distributions to look at."""

from __future__ import annotations

from tests.core.cli.conftest import cli as cli
from tests.core.cli.conftest import far as far
from tests.core.cli.conftest import site as site
from tests.core.cli.conftest import torchx as torchx
from tests.core.cli.conftest import workdir as workdir
