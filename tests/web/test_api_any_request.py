"""Any request the API's own description allows, and many it does not: never a server error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra.access.roles import Role

EXAMPLES = os.environ.get("IDROSERRA_API_EXAMPLES", "1")  # of each operation


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN], ids=lambda r: r.word)
def test_no_request_of_any_role_is_a_server_error(host, role, tmp_path):
    host.node("idro-a")
    secret = host.service.access.tokens.make("schemathesis", role, "tests")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run",
         f"{host.url}/api/openapi.json", "--header", f"Authorization: Bearer {secret}",
         "--checks", "not_a_server_error", "--phases", "coverage,fuzzing",
         "--max-examples", EXAMPLES, "--exclude-path", "/api/live", "--continue-on-failure",
         "--exclude-path-regex", "^/api/tokens/", "--suppress-health-check", "all",
         "--request-timeout", "60", "--warnings", "off", "--no-color"],
        capture_output=True, text=True, timeout=1_800, check=False, cwd=tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6_000:]
    assert host.counts()["failures"] == {}
