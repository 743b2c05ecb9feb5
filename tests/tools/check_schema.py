"""`make check-grafana`: checks the dashboards against Grafana's own schema.

@grafana/schema on npm has the schema as TypeScript types. Each dashboard becomes a literal of type
Dashboard, so the compiler reports keys that are unknown, missing or of the wrong type. The schema
does not cover queries; tests/host runs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.grafana_dashboards import dashboards

# Of an annotation, defined by its data source: absent in the schema.
OF_SOURCE = ("target", "useValueForTime", "titleFormat", "textFormat", "tagKeys")
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
HEAD = """\
import type { Dashboard } from '@grafana/schema';
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


def main(folder: Path) -> int:
    """Install the schema once, check, and return the exit code of the compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules/@grafana/schema").exists():
        print(f"idroserra: installing {', '.join(PACKAGES)} into {folder} (once)")
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES],
                       cwd=folder, check=True)
    (folder / "check.ts").write_text(HEAD + "".join(map(literal, dashboards().values())))
    done = subprocess.run(
        ["npx", "tsc", "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler",
         "--module", "esnext", "--target", "es2022", "check.ts"], cwd=folder, check=False)
    if done.returncode == 0:
        print(f"{len(dashboards())} dashboards are valid")
    return done.returncode


def literal(dashboard: dict[str, Any]) -> str:
    """Return a dashboard as a TypeScript constant."""
    name = dashboard["uid"].replace("-", "_")
    for annotation in dashboard["annotations"]["list"]:
        for key in OF_SOURCE:
            annotation.pop(key, None)
    return f"export const {name}: Plain<Dashboard> = {json.dumps(dashboard, indent=1)};\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
