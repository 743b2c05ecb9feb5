"""Checks that each other host gives its state, and that its token may only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from idroserra.core.config import OtherHostConfig
from idroserra.doctor.result import Check
from idroserra.i18n.reasons import english
from idroserra.other_hosts.client import NoStatus, ask_status
from idroserra.other_hosts.status import missing_of

MOST_AT_ONCE = 16


def check_other_hosts(others: Sequence[OtherHostConfig]) -> Iterator[Check]:
    """Yield a check of each other host."""
    if others:
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            yield from pool.map(_check, others)


def _check(other: OtherHostConfig) -> Check:
    name = f"host {other.name}"
    try:
        status = ask_status(other)
    except NoStatus as error:
        return Check(name, "fail", f"{other.url}: {english(error.reason)}",
                     f"idroserra explain {error.reason.code}")
    count = "?" if status.nodes is None else status.nodes.total
    found = f"{other.url}: version {status.version or '?'}, {count} nodes"
    if status.role != "viewer":
        return Check(name, "warn", f"{found}; the token has role {status.role or '?'}",
                     "use one that may only read: idroserra user token NAME --role viewer, there")
    if other.token_file.stat().st_mode & 0o077:
        return Check(name, "warn", f"{found}; others may read {other.token_file}",
                     f"chmod 600 {other.token_file}")
    if missing := missing_of(status):
        return Check(name, "warn", f"{found}; it does not send {', '.join(missing)}",
                     "update the older of the two hosts")
    return Check(name, "ok", found)
