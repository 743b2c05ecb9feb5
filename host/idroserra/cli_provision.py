"""`idroserra provision`: a flashed board on USB becomes a node of this site."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import typer

from idroserra import cli_provision_options as options
from idroserra.cli_adopt import HostUrl
from idroserra.cli_ask import AsJson
from idroserra.cli_flash import ask_port
from idroserra.cli_provision_ask import Given, fill_in, name_in, take, update_keys
from idroserra.cli_provision_words import as_json_text, describe, shown, told_board
from idroserra.cli_serve import ConfigFile
from idroserra.config import load_config
from idroserra.errors import ConfigError
from idroserra.flash import ports
from idroserra.flash.bars import Bars
from idroserra.flash.link import CATCH_S
from idroserra.host_keys import Held, HostKeys, NoHost, open_keys
from idroserra.line.line import Line
from idroserra.provision import key_file
from idroserra.provision.line_values import PLAIN, line_of, port_of, tls_values
from idroserra.provision.nvs import Value
from idroserra.provision.session import Board, Plan, Session, decide


@dataclass(frozen=True)
class Job:
    """How one board is gone about: what is shared with whom, and how much is asked."""

    board: str | None
    key_to: Path | None
    url: str | None
    config: Path | None
    update_keys: dict[str, Value]
    new_key: bool
    replaces: bool
    can_ask: bool
    yes: bool
    dry_run: bool
    as_json: bool
    line: Line | None = None
    is_plain: bool = False


def provision(
    port: options.PortName = None,
    node_id: options.NodeId = None,
    wifi_ssid: options.Ssid = None,
    wifi_password_file: options.PasswordFile = None,
    broker: options.BrokerAddress = None,
    broker_password_file: options.BrokerPasswordFile = None,
    board: options.BoardName = None,
    key_to: options.KeyTo = None,
    url: HostUrl = None,
    config: ConfigFile = None,
    update_key: options.UpdateKeys = None,
    *,
    wifi_open: options.OpenWifi = False,
    allow_public_broker: options.PublicBroker = False,
    plain: options.Plain = False,
    new_key: options.NewKey = False,
    replace: options.Replace = False,
    no_reset: options.NoReset = False,
    wait: options.Wait = CATCH_S,
    show: options.Show = False,
    erase: options.Erase = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a flashed board its name, Wi-Fi, broker and key over USB, and adopt it."""
    if show and erase:
        raise typer.BadParameter("is the opposite of --erase", param_hint="--show")
    line = None if plain else line_of(load_config(config).data_dir)
    given = take(node_id, wifi_ssid, wifi_password_file, broker, broker_password_file,
                 is_open=wifi_open, may_be_public=allow_public_broker,
                 tls_port=None if line is None else port_of(line))
    can_ask = sys.stdin.isatty() and not as_json and not yes
    job = Job(board, key_to, url, config, update_keys(update_key, config), new_key, replace,
              can_ask, yes, dry_run, as_json, line, plain)
    says = Bars(says=not as_json)
    device = ports.choose(port, ports.found(), ask_port if can_ask else None)
    ports.check(device)
    with says, Session(device, says, resets=not no_reset, wait_s=wait) as session:
        found = session.look()
        if board is not None and found.board != board:
            raise ConfigError(device, "--board", f"the board is an {found.board}, not {board}: "
                              "nothing was written")
        if erase:
            _erase(session, found, job)
        elif show:
            _show(found, job)
        else:
            _provision(session, found, given, job)


def _provision(session: Session, found: Board, given: Given, job: Job) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        if not job.as_json:
            typer.echo(told_board(found, None))
        wanted = fill_in(given, found, can_ask=job.can_ask) | job.update_keys
        node = name_in(wanted)
        if job.line is not None:
            wanted = tls_values(job.line, node, found.stored, may_issue=not job.dry_run) | wanted
        elif job.is_plain:
            wanted |= PLAIN
        held = None if host is None else host.held(node)
        plan = decide(found, wanted, held, new_key=job.new_key, replaces=job.replaces,
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


def _show(found: Board, job: Job) -> None:
    with ExitStack() as opened:
        host = _host(opened, job)
        node = found.stored.node_id
        held = None if host is None else host.held(node) if node else Held()
        typer.echo(json.dumps(shown(found, held)) if job.as_json else told_board(found, held))


def _do(
    session: Session, plan: Plan, host: HostKeys | None, held: Held | None, key_to: Path | None
) -> None:
    if plan.key is not None and key_to is not None and not key_to.exists():
        key_file.write(key_to, plan.node, plan.key)
    if not plan.is_nothing:
        session.write(plan, host)
    elif held is not None and held.fingerprints != (plan.found,):
        session.settle(plan, host)


def _tell(plan: Plan, host: HostKeys | None, job: Job, *, is_done: bool) -> None:
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


def _host(opened: ExitStack, job: Job) -> HostKeys | None:
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


def _erase(session: Session, found: Board, job: Job) -> None:
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
