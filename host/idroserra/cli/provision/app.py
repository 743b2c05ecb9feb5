"""`idroserra provision`: set up a flashed board on USB as a node."""

from __future__ import annotations

import json
from contextlib import ExitStack
from inspect import signature
from pathlib import Path
from typing import Any

import typer

from idroserra.cli.flash import prompt_port
from idroserra.cli.provision.options import ProvisionJob
from idroserra.cli.provision.prompts import ProvisionInput, complete_values, node_name, read_input
from idroserra.cli.provision.report import as_json_text, board_json, describe_board, describe_plan
from idroserra.core.errors import ConfigError
from idroserra.flash import ports
from idroserra.flash.esptool import Esptool
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
    """Write name, Wi-Fi, broker and key to a flashed board over USB, and adopt it."""
    job = ProvisionJob(**options)
    if job.show and job.erase:
        raise typer.BadParameter("cannot be combined with --erase", param_hint="--show")
    given = read_input(job)
    show = ProgressReporter(says=not job.as_json)
    device = ports.choose(job.port, ports.find_boards(), prompt_port if job.can_ask else None)
    ports.check_available(device)
    with (
        show,
        ProvisionSession(
            Esptool(device, resets=not job.no_reset), show, wait_s=job.wait_s) as session,
    ):
        found = session.read_board(needs_psram=not (job.erase or job.show))
        if job.board is not None and found.board != job.board:
            raise ConfigError(device, "--board", f"the board is {found.board}, not "
                              f"{job.board}; nothing was written")
        if job.erase:
            _erase(session, found, job)
        elif job.show:
            _show_board(found, job)
        else:
            _provision(session, found, given, job)


# Typer reads the options of a command from its signature.
provision.__signature__ = signature(ProvisionJob, eval_str=True)  # type: ignore[attr-defined]


def _provision(
    session: ProvisionSession, found: Board, given: ProvisionInput, job: ProvisionJob
) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        if not job.as_json:
            typer.echo(describe_board(found, None))
        wanted = complete_values(given, found, can_ask=job.can_ask) | given.update_keys
        node = node_name(wanted)
        if given.certificates is not None:
            tls = tls_values(given.certificates, node, found.stored, may_issue=not job.dry_run)
            wanted = tls | wanted
        elif job.plain:
            wanted |= PLAIN
        held = None if host is None else host.stored(node)
        plan = plan_provisioning(found, wanted, held, new_key=job.new_key, replaces=job.replace,
                      own_key=_own_key(job.key_to, node))
        if plan.key is not None and host is None and job.key_to is None:
            raise NoHost("the key would be lost. Run this command on the host's machine, or here "
                         "with --key-to FILE and then `idroserra node adopt` there")
        if not job.as_json:
            typer.echo(describe_plan(plan, host, job.key_to, given.broker))
        may = not job.dry_run and (
            plan.is_nothing or job.yes or typer.confirm("Continue?", err=job.as_json))
        if may:
            _write(session, plan, host, held, job.key_to)
        _print_result(plan, host, job, is_done=may)


def _show_board(found: Board, job: ProvisionJob) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        node = found.stored.node_id
        held = None if host is None else host.stored(node) if node else StoredKeys()
        text = json.dumps(board_json(found, held)) if job.as_json else describe_board(found, held)
        typer.echo(text)


def _write(
    session: ProvisionSession, plan: ProvisionPlan, host: KeyStore | None, held: StoredKeys | None,
    key_to: Path | None,
) -> None:
    if plan.key is not None and key_to is not None and not key_to.exists():
        key_file.write(key_to, plan.node, plan.key)
    if not plan.is_nothing:
        session.write(plan, host)
    elif held is not None and held.fingerprints != (plan.found,):
        session.confirm_key(plan, host)


def _print_result(
    plan: ProvisionPlan, host: KeyStore | None, job: ProvisionJob, *, is_done: bool
) -> None:
    if job.as_json:
        typer.echo(as_json_text(plan, host, job.key_to, is_done=is_done))
    elif not is_done:
        typer.echo("nothing was written")
    elif plan.is_nothing:
        typer.echo(f"nothing to do: the board is already {plan.node}")
    else:
        typer.echo(f"done: the board is {plan.node}; all values verified; it starts now")
        if host is None and plan.key is not None:
            typer.echo(f"next: on the host's machine `idroserra node adopt {plan.node} --key-file "
                       f"{job.key_to}`; the file is secret, transfer it on a USB stick")
        typer.echo(f"next: `idroserra node show {plan.node}` once it reports (about a minute), "
                   f"then `idroserra calibrate ph {plan.node}`: docs/commissioning.md")


def _host(opened: ExitStack, job: ProvisionJob) -> KeyStore | None:
    try:
        return opened.enter_context(open_keys(job.url, job.config))
    except NoHost:
        if job.url is not None or job.config is not None:
            raise
        return None


def _own_key(key_to: Path | None, node: str) -> bytes | None:
    """Return the key from an interrupted run, if its file exists."""
    return key_file.read(key_to, node) if key_to is not None and key_to.exists() else None


def _erase_question(found: Board) -> str:
    name = found.stored.node_id or "a board without a name"
    return f"{name}: erase Wi-Fi, broker and key? Its records are kept."


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
        typer.echo("done: all secrets erased from the board")
        if node:
            typer.echo(f"next: `idroserra node forget {node}` on the host")
