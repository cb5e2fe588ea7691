"""Compiles the hot path with mypyc into the wheel, if it is asked to (docs/adr/0022).

    CDC_TRIGGERS_COMPILE=1 python -m pip install .

Without the variable the wheel is pure Python and the same for every machine. Nothing is written
into the source tree: an extension module there would go on hiding the source beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilderConfig

ASKED = "CDC_TRIGGERS_COMPILE"
NEEDED = ("mypy>=1.14,<3", "setuptools>=77,<83", "types-psycopg2>=2.9,<3")
WITHOUT = "Without the variable a wheel of pure Python is made, which does the same, slower."

# Nobody replaces functions of the extension module: they may be called directly, and inlined.
SETUP = """
from mypyc.build import mypycify
from setuptools import setup

modules = mypycify({arguments!r}, opt_level="2", debug_level="0", group_name="cdc_triggers")
for module in modules:
    module.extra_compile_args.append("-fno-semantic-interposition")
setup(name="compiled", packages=[], ext_modules=modules)
"""


def missing() -> str | None:
    """What of the machine is missing to compile, in words."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler} (Debian: gcc)"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "the headers of Python (Debian: python3-dev)"
    return None


class CompiledHook(BuildHookInterface[WheelBuilderConfig]):
    """Adds one extension module for each module of `modules` in pyproject.toml."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What compiling needs: the types of all that the modules import, too."""
        return [*NEEDED, *self.metadata.core.dependencies] if self._asked else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say which files go into the wheel."""
        if not self._asked or version == "editable":
            return
        if lacks := missing():
            sys.exit(f"{ASKED} is set, but {lacks} is missing. {WITHOUT}")
        self._place = tempfile.TemporaryDirectory()
        place = Path(self._place.name)
        for library in self._compile(place):
            build_data["force_include"][str(library)] = str(library.relative_to(place))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, *_: object) -> None:
        """The wheel is made: what it was made of may go."""
        if hasattr(self, "_place"):
            self._place.cleanup()

    @property
    def _asked(self) -> bool:
        return os.environ.get(ASKED, "0") not in {"", "0"}

    def _compile(self, place: Path) -> list[Path]:
        """Compile a copy of the package in `place`.

        Raises:
            SystemExit: it cannot be compiled; what the compiler said is on stderr.
        """
        package = self.build_config.packages[0]
        shutil.copytree(Path(self.root, package), place / package)
        modules = [f"{package}/{module}.py" for module in self.config["modules"]]
        # not --strict: a later mypy may have more to say, which is no reason not to build
        arguments = ["--ignore-missing-imports", *modules]
        (place / "setup.py").write_text(SETUP.format(arguments=arguments), encoding="utf-8")
        command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        ran = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.stderr.write(ran.stdout + ran.stderr)
            sys.exit(f"{ASKED} is set, but compiling failed (above). {WITHOUT}")
        shutil.rmtree(place / "build")
        return sorted(place.rglob("*.so"))
