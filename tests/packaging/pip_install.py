"""``pip install DIR`` for the pages: leaves what an editable installation leaves, and needs no package index.

``pip install NAME[EXTRA] ...`` succeeds for the distributions of this repository, and for what is there already.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import distribution
from pathlib import Path

from torchx.util.configfile import toml_loads

PACKAGES = Path(__file__).resolve().parents[2] / "packages"


def install(project: Path, site: Path) -> str:
    """Links the packages of a project into a site folder and writes its metadata; the name and version installed."""
    table = toml_loads((project / "pyproject.toml").read_text())["project"]
    root = project / "src" if (project / "src").is_dir() else project
    for path in root.iterdir():
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))):
            _link(path, site / path.name)
    info = site / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir(exist_ok=True)
    metadata = ["Metadata-Version: 2.1", f"Name: {table['name']}", f"Version: {table['version']}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in table.get("dependencies", [])]
    (info / "METADATA").write_text("\n".join([*metadata, ""]))
    lines = []
    for group, points in table.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return f"{table['name']}-{table['version']}"


def _link(source: Path, target: Path) -> None:
    if target.is_symlink():
        target.unlink()
    target.symlink_to(source.resolve())


def main(argv: list[str]) -> None:
    if argv[:1] != ["install"]:
        raise SystemExit(f"only `pip install` is known here, not {argv}")
    site = Path(os.environ["DOCS_SITE"])
    for name in argv[1:]:
        if name in ("-e", "--editable"):
            continue
        if name.startswith("./packages/"):
            name = Path(name).name  # pages stand in a checkout there
        if "/" in name or name == ".":
            print("Successfully installed", install(Path(name), site))
        else:
            plain = name.partition("[")[0]
            if not (PACKAGES / plain).is_dir():
                distribution(plain)
            print("Requirement already satisfied:", plain)


if __name__ == "__main__":
    main(sys.argv[1:])
