"""Grafana's own schema reads our dashboards: `make check-grafana`.

@grafana/schema of npm is that schema, as types of TypeScript. Each dashboard becomes a literal of
the type Dashboard, which the compiler checks: a key that is unknown, missing or of the wrong kind
is an error. What a target holds is its datasource's own and is run for real in tests/host.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.grafana_dashboards import dashboards

PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
HEAD = """\
import type { Dashboard } from '@grafana/schema';
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


def main(folder: Path) -> int:
    """Install the schema, once, and check; return the exit code of the compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules/@grafana/schema").exists():
        print(f"idroserra: installing {', '.join(PACKAGES)} into {folder} (seconds, once)")
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES],
                       cwd=folder, check=True)
    (folder / "check.ts").write_text(HEAD + "".join(map(literal, dashboards().values())))
    ended = subprocess.run(
        ["npx", "tsc", "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler",
         "--module", "esnext", "--target", "es2022", "check.ts"], cwd=folder, check=False)
    if ended.returncode == 0:
        print(f"{len(dashboards())} dashboards: Grafana's schema accepts them")
    return ended.returncode


def literal(dashboard: dict[str, Any]) -> str:
    """Return a dashboard as a constant of TypeScript."""
    name = dashboard["uid"].replace("-", "_")
    for note in dashboard["annotations"]["list"]:
        del note["target"]
    return f"export const {name}: Plain<Dashboard> = {json.dumps(dashboard, indent=1)};\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
