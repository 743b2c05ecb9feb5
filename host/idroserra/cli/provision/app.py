"""`idroserra provision`: a flashed board on USB becomes a node of this site."""

from __future__ import annotations

import json
from contextlib import ExitStack
from inspect import signature
from pathlib import Path
from typing import Any

import typer

from idroserra.cli.flash import ask_port
from idroserra.cli.provision.options import ProvisionJob
from idroserra.cli.provision.prompts import Given, fill_in, name_in, take
from idroserra.cli.provision.report import as_json_text, describe, describe_board, shown
from idroserra.core.errors import ConfigError
from idroserra.flash import ports
from idroserra.flash.progress import ProgressReporter
from idroserra.provisioning import key_file
from idroserra.provisioning.key_exchange import KeyStore, NoHost, StoredKeys, open_keys
from idroserra.provisioning.session import (
    Board,
    ProvisionPlan,
    ProvisionSession,
    plan_provisioning,
)
from idroserra.provisioning.tls_values import PLAIN, tls_values


def provision(**options: Any) -> None:
    """Give a flashed board its name, Wi-Fi, broker and key over USB, and adopt it."""
    job = ProvisionJob(**options)
    if job.show and job.erase:
        raise typer.BadParameter("is the opposite of --erase", param_hint="--show")
    given = take(job)
    says = ProgressReporter(says=not job.as_json)
    device = ports.choose(job.port, ports.find_boards(), ask_port if job.can_ask else None)
    ports.check_available(device)
    with says, ProvisionSession(
            device, says, resets=not job.no_reset, wait_s=job.wait_s) as session:
        found = session.read_board()
        if job.board is not None and found.board != job.board:
            raise ConfigError(device, "--board", f"the board is an {found.board}, not "
                              f"{job.board}: nothing was written")
        if job.erase:
            _erase(session, found, job)
        elif job.show:
            _show(found, job)
        else:
            _provision(session, found, given, job)


# Typer reads the options of a command from its signature.
provision.__signature__ = signature(ProvisionJob, eval_str=True)  # type: ignore[attr-defined]


def _provision(session: ProvisionSession, found: Board, given: Given, job: ProvisionJob) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        if not job.as_json:
            typer.echo(describe_board(found, None))
        wanted = fill_in(given, found, can_ask=job.can_ask) | given.update_keys
        node = name_in(wanted)
        if given.line is not None:
            wanted = tls_values(given.line, node, found.stored, may_issue=not job.dry_run) | wanted
        elif job.plain:
            wanted |= PLAIN
        held = None if host is None else host.stored(node)
        plan = plan_provisioning(found, wanted, held, new_key=job.new_key, replaces=job.replace,
                      own_key=_own_key(job.key_to, node))
        if plan.key is not None and host is None and job.key_to is None:
            raise NoHost("the key would be lost. On the host's machine say the same command, or "
                         "here with --key-to FILE and there `idroserra node adopt`")
        if not job.as_json:
            typer.echo(describe(plan, host, job.key_to, given.broker))
        may = not job.dry_run and (
            plan.is_nothing or job.yes or typer.confirm("Do it?", err=job.as_json))
        if may:
            _do(session, plan, host, held, job.key_to)
        _tell(plan, host, job, is_done=may)


def _show(found: Board, job: ProvisionJob) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        node = found.stored.node_id
        held = None if host is None else host.stored(node) if node else StoredKeys()
        typer.echo(json.dumps(shown(found, held)) if job.as_json else describe_board(found, held))


def _do(
    session: ProvisionSession,
    plan: ProvisionPlan,
    host: KeyStore | None,
    held: StoredKeys | None,
    key_to: Path | None,
) -> None:
    if plan.key is not None and key_to is not None and not key_to.exists():
        key_file.write(key_to, plan.node, plan.key)
    if not plan.is_nothing:
        session.write(plan, host)
    elif held is not None and held.fingerprints != (plan.found,):
        session.confirm_key(plan, host)


def _tell(plan: ProvisionPlan, host: KeyStore | None, job: ProvisionJob, *, is_done: bool) -> None:
    if job.as_json:
        typer.echo(as_json_text(plan, host, job.key_to, is_done=is_done))
    elif not is_done:
        typer.echo("nothing was written")
    elif plan.is_nothing:
        typer.echo(f"nothing to do: the board is {plan.node} already")
    else:
        typer.echo(f"done: the board is {plan.node}; each value read back by its hash. It starts "
                   "now")
        if host is None and plan.key is not None:
            typer.echo(f"next: on the host's machine `idroserra node adopt {plan.node} --key-file "
                       f"{job.key_to}`; the file is a secret, carry it on a stick")
        typer.echo(f"next: `idroserra node show {plan.node}` as soon as it reports (a minute), "
                   f"then `idroserra calibrate ph {plan.node}`: docs/commissioning.md")


def _host(opened: ExitStack, job: ProvisionJob) -> KeyStore | None:
    try:
        return opened.enter_context(open_keys(job.url, job.config))
    except NoHost:
        if job.url is not None or job.config is not None:
            raise
        return None


def _own_key(key_to: Path | None, node: str) -> bytes | None:
    """Return the key in a file that was written before the board was done, to go on with it."""
    return key_file.read(key_to, node) if key_to is not None and key_to.exists() else None


def _erase_question(found: Board) -> str:
    name = found.stored.node_id or "a board without a name"
    return f"{name}: take Wi-Fi, broker and key from it? What it measured stays on it."


def _erase(session: ProvisionSession, found: Board, job: ProvisionJob) -> None:
    node = found.stored.node_id
    may = not job.dry_run and (job.yes or typer.confirm(_erase_question(found), err=job.as_json))
    if may:
        session.erase()
    if job.as_json:
        typer.echo(json.dumps({"port": found.port, "node": node or None, "erased": may}))
    elif not may:
        typer.echo("nothing was written")
    else:
        typer.echo("done: every secret is taken from the board and its bytes are wiped")
        if node:
            typer.echo(f"next: `idroserra node forget {node}` on the host")
