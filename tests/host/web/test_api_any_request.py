"""Any request the API's own description allows, and many it does not: never a server error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra.auth.roles import Role

EXAMPLES = os.environ.get("IDROSERRA_API_EXAMPLES", "")  # of each operation
# The admin reaches most of the code. `make fuzz-api` covers the other roles too, and thousands of
# boundary values of every parameter.
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN) if EXAMPLES else (Role.ADMIN,)
PHASES = "coverage,fuzzing" if EXAMPLES else "fuzzing"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.label)
def test_no_request_of_any_role_is_a_server_error(host, role, tmp_path):
    host.node("idro-a")
    secret = host.service.access.tokens.make("schemathesis", role, "tests")
    description = tmp_path / "openapi.json"  # it would wait no longer than 10 s for it
    description.write_bytes(host.client.get("/api/openapi.json").content)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", str(description),
         "--url", host.url, "--header", f"Authorization: Bearer {secret}",
         "--checks", "not_a_server_error", "--phases", PHASES,
         "--max-examples", EXAMPLES or "2", "--exclude-path", "/api/live", "--continue-on-failure",
         # A release is a zip, which it cannot make up: tests/browser/test_updates.py.
         "--exclude-path-regex", "^/api/(tokens/|updates/releases$)",
         "--suppress-health-check", "all",
         "--request-timeout", "60", "--warnings", "off", "--no-color"],
        capture_output=True, text=True, timeout=1_800, check=False, cwd=tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6_000:]
    assert host.counts()["failures"] == {}
