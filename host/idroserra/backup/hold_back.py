"""Keeps what a backup wants from acting after its restore, until a person asks for it.

Settings wait for a choice (nodes.restored), recipes are paused, roll-outs cancelled, commands
without an answer ended, notifications not sent, sessions logged out, and alarms that were silenced
are annunciated again. What protects stays as it is now: revoked certificates and tokens stay
revoked, people who are locked out stay so, newer certificates can be revoked, and stops that wait
for their node still wait.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from idroserra.backup.archive import BackupError
from idroserra.backup.silenced_alarms import annunciate_again
from idroserra.backup.withdrawn_access import withdraw_access
from idroserra.broker import cluster
from idroserra.broker.certificates import folder_of
from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.core.reasons import Reason, pack_reason
from idroserra.core.sqlite import connect, connect_reader
from idroserra.i18n.channels import duration_text
from idroserra.i18n.translate import gettext as _
from idroserra.nodes import restored
from idroserra.nodes.command_state import SCHEMA, UPGRADES, CommandState, store
from idroserra.pki.broker_ca import BrokerCA, read_certificate
from idroserra.pki.x509 import read_key, write_private
from idroserra.recipes.run_store import HELD, RUNNING, RecipeRunTable

CRL = "revoked.pem"
# By file and table.
_CHANGES = (
    ("state.db", "rollouts", "UPDATE rollouts SET state='cancelled' WHERE state='running'"),
    ("state.db", "node_updates", "UPDATE node_updates SET state='cancelled'"
                                 " WHERE state IN ('waiting', 'offered', 'downloading')"),
    ("state.db", "commands", "UPDATE commands SET state='timeout' WHERE state='pending'"),
    ("users.db", "sessions", "DELETE FROM sessions"),
)


def hold_back(
    staging: Path, folder: Path, made_unix_ms: int, now: datetime, report: Callable[[str], None],
    notices_from_unix_ms: float = math.inf,
) -> None:
    """Change the verified files in `staging`, which replace those in `folder` afterwards.

    Notifications of before `notices_from_unix_ms` are not sent. Raises BackupError, OSError."""
    state = staging / "state.db"
    try:
        if state.exists():
            with closing(_opened(state)) as database:
                if "nodes" in _tables(database):
                    restored.hold_back(database, made_unix_ms)
            _pause_recipes(state, now)
        for name, table, change in _CHANGES:
            if (staging / name).exists():
                with closing(_opened(staging / name)) as database:
                    if table in _tables(database):
                        database.execute(change)
        if (staging / "alarms.db").exists():
            _end_notices(staging / "alarms.db", notices_from_unix_ms, now)
        annunciate_again(staging, folder, now, report)
        _keep_stops(state, folder / "state.db", now, report)
        _keep_certificates(folder_of(staging), folder_of(folder), report)
        withdraw_access(staging, folder, report)
    except (sqlite3.Error, StoreUnavailable, ConfigError, ValueError) as error:
        raise BackupError(f"not restored: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _tables(database: sqlite3.Connection) -> set[str]:
    return {row[0] for row in database.execute("SELECT name FROM sqlite_schema")}


def _pause_recipes(path: Path, now: datetime) -> None:
    """Pause each running recipe until a person resumes it."""
    with closing(RecipeRunTable(path)) as table:
        for run in table.all().values():
            if run.state == RUNNING:
                table.save(replace(
                    run, state=HELD, state_by="", state_unix_ms=int(now.timestamp() * 1_000),
                    reason=Reason("backup_restored"), told_rev=0))
            elif run.is_open:  # no report of before the restore resumes it
                table.save(replace(run, told_rev=0))


def _end_notices(path: Path, from_unix_ms: float, now: datetime) -> None:
    """Let the notifications of before `from_unix_ms` that wait be as those that failed."""
    with closing(_opened(path)) as database:
        if "deliveries" in _tables(database):
            database.execute(
                "UPDATE deliveries SET state='failed', done_unix_ms=?, error=?"
                " WHERE state='waiting'"
                " AND notice NOT IN (SELECT id FROM notices WHERE unix_ms >= ?)",
                (int(now.timestamp() * 1_000), pack_reason(Reason("backup_restored")),
                 from_unix_ms))


def _keep_stops(
    state: Path, current: Path, now: datetime, report: Callable[[str], None]
) -> None:
    """Let the stops that wait in `current` wait in the restored state.db, and report the age of
    the newest of each node, which the host repeats.

    Damage in `current`, which is to be replaced, is reported only. Raises sqlite3.Error,
    StoreUnavailable."""
    if not current.exists():
        return
    stops = []
    try:
        with closing(connect_reader(current)) as database:
            if "commands" in _tables(database):
                stops = database.execute(
                    "SELECT id, node, by, sent_unix_ms, ends_unix_ms FROM commands"
                    " WHERE verb='stop' AND state='pending' ORDER BY number").fetchall()
    except sqlite3.Error as error:
        report(_("{file}: {error}: stops that waited for their node are lost: stop them again"
                 ).format(file=current, error=error))
    if not stops:
        return
    with closing(connect(state, SCHEMA, UPGRADES)) as database:
        for command_id, node, by, sent_unix_ms, ends_unix_ms in stops:
            store(database, CommandState(command_id, node, "stop", {}, by, sent_unix_ms,
                                         ends_unix_ms, "pending", None))
    newest = {node: sent_unix_ms for _id, node, _by, sent_unix_ms, _ends in stops}
    for node, sent_unix_ms in sorted(newest.items()):
        age_ms = max(0, int(now.timestamp() * 1_000) - sent_unix_ms)
        report(_("{node}: a stop requested {age} ago still waits: it is sent again when the host "
                 "starts").format(node=node, age=duration_text(age_ms)))


def _keep_certificates(line: Path, current: Path, report: Callable[[str], None]) -> None:
    """Revoke in `line` what the same certificate authority has revoked since in `current`, and
    keep what it has issued since: the broker accepts it, so it must be listed to be revoked. A
    cluster of brokers, or none, stays as it is, and so does the login of the host.

    Without an authority in the backup all of `current` is kept: without its certificate the host
    does not start, and the broker has the same authority. Damage in `current`, which is to be
    replaced, is reported only. Raises ConfigError, OSError, ValueError."""
    if not (current / "ca.key").exists():
        return
    if not (line / "ca.key").exists():
        shutil.copytree(current, line, dirs_exist_ok=True)
        return
    authority = BrokerCA(line)
    try:
        if BrokerCA(current).certificate != authority.certificate:
            return
        since = _revoked(current)
    except (ConfigError, OSError, ValueError) as error:
        report(f"{current}: {error}: nodes revoked since the backup may connect again")
        return
    for name in cluster.FILES:  # which broker there is, and its secrets
        (line / name).unlink(missing_ok=True)
        if (current / name).exists():
            write_private(line / name, (current / name).read_bytes())
    _keep_host(line, current, authority, report)
    revoked = _revoked(line) | since
    write_private(line / CRL, authority.revocations(revoked))
    _copy_certificates(current / "nodes", line / "nodes", revoked, report)
    for path in (current / "next").glob("*.pem"):  # what a node may have by now
        (line / "next").mkdir(mode=0o700, exist_ok=True)
        write_private(line / "next" / path.name, path.read_bytes())
    for path in (line / "nodes").glob("*.pem"):
        if read_certificate(path).serial_number in revoked:
            path.unlink()
            path.with_suffix(".key").unlink(missing_ok=True)


def _keep_host(
    line: Path, current: Path, authority: BrokerCA, report: Callable[[str], None]
) -> None:
    """Keep the certificate that the host has in `current`, unless that of the backup is newer: a
    take-over gives the host another, and the cluster refuses the earlier one. Raises OSError."""
    cert, key = current / "host.pem", current / "host.key"
    if not (cert.exists() and key.exists()):
        return
    try:
        known = read_certificate(cert)
        if read_key(key).public_key() != known.public_key():
            raise ConfigError(str(key), "", f"is not the key of {cert.name}")
    except ConfigError as error:
        report(f"{error}: the certificate of the host is that of the backup")
        return
    own = line / "host.pem"
    if not authority.has_issued(known) or (
            authority.is_ours(own)
            and read_certificate(own).not_valid_after_utc > known.not_valid_after_utc):
        return
    write_private(line / "host.key", key.read_bytes())
    write_private(own, cert.read_bytes())


def _copy_certificates(
    source: Path, target: Path, revoked: set[int], report: Callable[[str], None]
) -> None:
    """Copy each certificate that is not revoked with its key; report those that are damaged.

    A revoked one may be older than that of the backup, or the node uses the one that was to
    replace it. Raises OSError."""
    target.mkdir(mode=0o700, exist_ok=True)
    for cert in sorted(source.glob("*.pem")):
        key = cert.with_suffix(".key")
        try:
            renewal = source.parent / "next" / cert.name
            newest = cert
            if read_certificate(cert).serial_number in revoked and renewal.exists():
                newest = renewal
            if read_certificate(newest).serial_number in revoked:
                continue
            files = {cert.name: newest.read_bytes(), key.name: key.read_bytes()}
        except (ConfigError, OSError) as error:
            report(f"{error}: not kept: issue a certificate to the node again")
            continue
        for name, content in files.items():
            write_private(target / name, content)


def _revoked(line: Path) -> set[int]:
    crl = x509.load_pem_x509_crl((line / CRL).read_bytes())
    return {one.serial_number for one in crl}
