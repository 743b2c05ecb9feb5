"""Reads the values for `idroserra provision` from options, environment and prompts."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import typer

from idroserra.broker.certificates import NodeCertificates
from idroserra.cli.provision.options import BROKER_VARIABLE, PASSWORD_VARIABLE, ProvisionJob
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError
from idroserra.provisioning import validation
from idroserra.provisioning.nvs import ID, NvsContents, Value
from idroserra.provisioning.session import Board
from idroserra.provisioning.tls_values import certificates_of
from idroserra.updates.signing import update_key_values

T = TypeVar("T")
NODE_ID, SSID, BROKER = "--node-id", "--wifi-ssid", "--broker"
WIFI_PASSWORD = "--wifi-password-file or --wifi-open"


@dataclass(frozen=True)
class ProvisionInput:
    """Validated values from the command line and configuration. None: not given."""

    node_id: str | None
    ssid: bytes | None
    wifi_password: bytes | None = field(repr=False)
    is_open: bool
    radio: dict[str, Value]  # transmit power and country
    broker: validation.BrokerAddress | None
    broker_password: bytes | None = field(repr=False)
    may_be_public: bool
    certificates: NodeCertificates | None  # of this host, if the board shall use TLS
    tls_port: int | None
    update_keys: dict[str, Value]


def read_input(job: ProvisionJob) -> ProvisionInput:
    """Return the validated options and environment. Raises ConfigError."""
    certificates = None if job.plain else certificates_of(load_config(job.config).data_dir)
    tls_port = None if certificates is None else certificates.node_port
    return ProvisionInput(
        node_id=None if job.node_id is None else validation.node_id(job.node_id),
        ssid=None if job.wifi_ssid is None else validation.ssid(job.wifi_ssid),
        wifi_password=_secret_of(
            job.wifi_password_file, PASSWORD_VARIABLE, validation.wifi_password),
        is_open=job.wifi_open,
        radio=_radio(job),
        broker=None if job.broker is None else validation.broker(
            job.broker, may_be_public=job.allow_public_broker, tls_port=tls_port),
        broker_password=_secret_of(
            job.broker_password_file, BROKER_VARIABLE, validation.broker_password),
        may_be_public=job.allow_public_broker,
        certificates=certificates,
        tls_port=tls_port,
        update_keys=update_key_values(
            job.update_key or load_config(job.config).update.public_keys),
    )


def _radio(job: ProvisionJob) -> dict[str, Value]:
    """Return the values of the radio that were given. Raises ConfigError."""
    found: dict[str, Value] = {}
    if job.tx_power_dbm is not None:
        found["wifi_dbm"] = validation.tx_power_dbm(job.tx_power_dbm)
    if job.country is not None:
        found["wifi_country"] = validation.country(job.country)
    return found


def node_name(wanted: Mapping[str, Value]) -> str:
    """Return the node name in the values for the board."""
    name = wanted[ID]
    assert isinstance(name, bytes), "a node has a name"
    return name.decode()


def _secret_of(file: Path | None, variable: str, check: Callable[[str], bytes]) -> bytes | None:
    """Return the secret from a file, stdin or a variable, or None. Raises ConfigError.

    Removes the variable from the environment, so that child processes do not inherit it."""
    text = os.environ.pop(variable, None)
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        except UnicodeDecodeError:
            raise ConfigError(str(file), "", "not UTF-8") from None
        except OSError as error:
            raise ConfigError(str(file), "", error.strerror or str(error)) from None
        text = text.removesuffix("\n").removesuffix("\r")
    return None if not text else check(text)


def complete_values(given: ProvisionInput, board: Board, *, can_ask: bool) -> dict[str, Value]:
    """Return the values to write; values already on the board and not given are left out.

    Raises ConfigError with all missing options if the user cannot be prompted."""
    stored = board.stored
    missing = _missing(given, stored)
    if missing and not can_ask:
        raise ConfigError("command line", ", ".join(missing), "required: no terminal for a prompt")
    is_first = not stored.is_set("broker_host")
    wanted: dict[str, Value] = dict(given.radio)
    node = given.node_id or stored.node_id or _prompt(
        "Name of the node", validation.node_id, validation.proposed_id(board.mac))
    wanted[ID] = node.encode()
    if given.ssid is not None:
        wanted["wifi_ssid"] = given.ssid
    elif SSID in missing:
        wanted["wifi_ssid"] = _prompt("Wi-Fi (2.4 GHz)", validation.ssid)
    if given.is_open:
        wanted["wifi_pass"] = None
    elif given.wifi_password is not None:
        wanted["wifi_pass"] = given.wifi_password
    elif WIFI_PASSWORD in missing:
        wanted["wifi_pass"] = _prompt("Wi-Fi password (hidden)", validation.wifi_password,
                                     is_secret=True)
    broker = given.broker
    if broker is None and BROKER in missing:
        broker = _prompt("Broker", lambda text: validation.broker(
            text, may_be_public=given.may_be_public, tls_port=given.tls_port),
            validation.proposed_broker())
    if broker is not None:
        wanted |= {"broker_host": broker.host.encode(), "broker_port": broker.port}
    if given.broker_password is not None:
        wanted["broker_pass"] = given.broker_password
    elif is_first and can_ask and given.tls_port is None:
        wanted["broker_pass"] = _prompt(
            f"Broker password of {node} (Enter: none)",
            lambda text: validation.broker_password(text) if text else None, is_secret=True)
    elif stored.node_id and stored.node_id != node:
        wanted["broker_pass"] = None  # belongs to another node
    return wanted


def _missing(given: ProvisionInput, stored: NvsContents) -> list[str]:
    """Return the required options that are neither given nor stored on the board."""
    is_other_wifi = given.ssid is not None and not stored.has("wifi_ssid", given.ssid)
    has_wifi = given.ssid is not None or stored.is_set("wifi_ssid")
    needs_password = is_other_wifi or not stored.is_set("wifi_ssid")
    has_password = given.is_open or given.wifi_password is not None
    return [option for option, is_there in (
        (NODE_ID, given.node_id or stored.node_id),
        (SSID, has_wifi),
        (WIFI_PASSWORD, has_password or not needs_password),
        (BROKER, given.broker is not None or stored.is_set("broker_host")),
    ) if not is_there]


def _prompt(
    question: str, check: Callable[[str], T], default: str | None = None, *,
    is_secret: bool = False,
) -> T:
    """Prompt until the input is valid."""
    while True:
        try:
            if is_secret:
                return check(getpass.getpass(f"{question}: "))
            return check(str(typer.prompt(question, default=default, err=True)))
        except ConfigError as error:
            typer.echo(error.why, err=True)
