"""`idroserra user`: manage users and API tokens in the data folder of the host.

Works with or without a running host, for any user who can write the data folder.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from idroserra.auth.errors import AccessError, InvalidRequest
from idroserra.auth.roles import ROLES, Role, role_of
from idroserra.auth.service import AuthService
from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson, now_unix_ms
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError
from idroserra.core.paths import user_name
from idroserra.core.terminal_text import printable
from idroserra.web.process import setup_link

app = typer.Typer(
    help="Users of the page, and API tokens.", no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="a-z, 0-9, . _ and -, a letter first.")]
RoleOption = Annotated[
    str, typer.Option("--role", help="viewer: read; operator: operate; admin: manage users.")]
FromInput = Annotated[
    bool, typer.Option("--stdin", help="Read the password from stdin, one line.")]


@app.command()
def add(
    name: Name, role: RoleOption, config: ConfigFile = None, *, from_input: FromInput = False
) -> None:
    """Add a user; prompts for the password twice."""
    with _opened(config) as (_, access):
        wanted = _role(role)
        user = access.users.add(name, wanted, _password(from_input=from_input))
        _audit(access, "add user", user.name, role=role)
        typer.echo(f"{user.name} can log in as {role}.")


@app.command("list")
def list_users(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the users."""
    with _opened(config) as (_, access):
        found = [{"name": user.name, "role": user.role.label, "made_unix_ms": user.made_unix_ms,
                  "sessions": access.sessions.count(user.name), "issuer": user.issuer,
                  "subject": user.subject, "is_locked_out": user.is_locked_out}
                 for user in access.users.all()]
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo("No users yet: `idroserra user setup-token` prints a link for the first admin.")
    for user in [] if as_json else found:
        where = printable(f", {user['subject']} at {user['issuer']}") if user["issuer"] else ""
        locked = ", locked out" if user["is_locked_out"] else ""
        typer.echo(
            f"{user['name']:<24} {user['role']:<9} {user['sessions']} sessions{where}{locked}")


@app.command("role")
def change_role(name: Name, role: RoleOption, config: ConfigFile = None) -> None:
    """Change the role of a user. Takes effect immediately."""
    with _opened(config) as (_, access):
        access.users.set_role(name, _role(role))
        _audit(access, "change role", name, role=role)
        typer.echo(f"{name} is now {role}.")


@app.command()
def password(name: Name, config: ConfigFile = None, *, from_input: FromInput = False) -> None:
    """Set the password of a user and end their sessions."""
    with _opened(config) as (_, access):
        access.users.get(name)
        access.users.set_password(name, _password(from_input=from_input))
        _audit(access, "set password", name)
        typer.echo(f"{name}: password changed, sessions ended.")


@app.command()
def remove(name: Name, config: ConfigFile = None) -> None:
    """Remove a user and end their sessions."""
    with _opened(config) as (_, access):
        access.users.remove(name)
        _audit(access, "remove user", name)
        typer.echo(f"{name} can no longer log in.")


@app.command("lock-out")
def lock_out(name: Name, config: ConfigFile = None) -> None:
    """Keep a user of the OpenID provider out and end their sessions."""
    with _opened(config) as (_, access):
        access.lock_out(name, is_locked_out=True)
        _audit(access, "lock out user", name)
        typer.echo(f"{name} can no longer log in.")


@app.command("let-in")
def let_in(name: Name, config: ConfigFile = None) -> None:
    """Let a user who was locked out in again."""
    with _opened(config) as (_, access):
        access.lock_out(name, is_locked_out=False)
        _audit(access, "let in user", name)
        typer.echo(f"{name} can log in again.")


@app.command("setup-token")
def setup_token(config: ConfigFile = None) -> None:
    """Print a link that creates the first admin; valid once, for a day."""
    with _opened(config) as (settings, access):
        host = settings.http.host
        shown = f"[{host}]" if ":" in host else host
        link = setup_link(f"http://{shown}:{settings.http.port}", access.users)
        _audit(access, "create setup token", "")
        typer.echo(link)


@app.command()
def token(
    name: Name, role: RoleOption, config: ConfigFile = None, *, as_json: AsJson = False
) -> None:
    """Create an API token and print it; it is not shown again."""
    with _opened(config) as (_, access):
        secret = access.tokens.make(name, _role(role), user_name("unknown"))
        _audit(access, "create token", name, role=role)
    typer.echo(json.dumps({"name": name, "role": role, "secret": secret}) if as_json else secret)


@app.command()
def tokens(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    with _opened(config) as (_, access):
        found = access.tokens.all()
    if as_json:
        typer.echo(json.dumps([{"name": one.name, "role": one.role.label, "by": one.by,
                                "made_unix_ms": one.made_unix_ms,
                                "used_unix_ms": one.used_unix_ms} for one in found]))
        return
    for one in found:
        used = "never used" if one.used_unix_ms is None else f"used {_day(one.used_unix_ms)}"
        typer.echo(f"{one.name:<24} {one.role.label:<9} made {_day(one.made_unix_ms)} "
                   f"by {one.by}, {used}")


@app.command()
def revoke(name: Name, config: ConfigFile = None) -> None:
    """Revoke a token."""
    with _opened(config) as (_, access):
        access.tokens.revoke(name)
        _audit(access, "revoke token", name)
        typer.echo(f"Token {name} revoked.")


@contextmanager
def _opened(config: ConfigFile) -> Iterator[tuple[Config, AuthService]]:
    """Open the users of a host, by configuration. Raises ConfigError."""
    settings = load_config(config)
    try:
        access = AuthService(settings.data_dir, settings.access, now_unix_ms)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(str(settings.data_dir), "data_dir", str(error)) from error
    try:
        yield settings, access
    except sqlite3.Error as error:
        raise AccessError(f"{settings.data_dir}: {error}") from error
    finally:
        access.close()


def _audit(access: AuthService, action: str, target: str, **detail: Any) -> None:
    access.audit.add("local " + user_name("unknown"), action, target=target,
                     address="command line", detail=detail)


def _password(*, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise InvalidRequest("password: no terminal for a prompt; use --stdin")
    first = getpass.getpass("Password (12 characters or more): ")
    if getpass.getpass("Repeat: ") != first:
        raise InvalidRequest("password: the entries differ")
    return first


def _role(word: str) -> Role:
    try:
        return role_of(word)
    except ValueError:
        raise typer.BadParameter(f"{word}: {', '.join(ROLES)}", param_hint="--role") from None


def _day(unix_ms: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(unix_ms / 1_000))
