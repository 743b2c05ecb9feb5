"""`idroserra update`: make a release, and bring it to a fleet over the air (docs/update.md)."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.cli.update.rollout import cancel, list_releases, offer, remove, status
from idroserra.client.requests import AsJson
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError

app = typer.Typer(
    help="Releases: make and sign one, bring it to a fleet over the air.", no_args_is_help=True,
    add_completion=False)

PASSPHRASE = "IDROSERRA_RELEASE_PASSPHRASE"
PUBLIC_SUFFIX = ".pub"
KeyFile = Annotated[Path, typer.Option(
    "--key", help="The private key of `update keygen`. It stays on this machine.")]
PassphraseFile = Annotated[Path | None, typer.Option(
    "--passphrase-file", help=f"File with its passphrase, or - for standard input; else that in "
    f"{PASSPHRASE}; else it is asked for.")]


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(
        metavar="FILE", help="The private key; the public one is FILE.pub.")],
    passphrase_file: PassphraseFile = None,
    *,
    no_passphrase: Annotated[bool, typer.Option(
        "--no-passphrase", help="Whoever reads the file can sign.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the key pair that releases are signed with."""
    from idroserra.updates import signing

    phrase = None if no_passphrase else _passphrase(passphrase_file, is_new=True)
    public = file.with_name(file.name + PUBLIC_SUFFIX)
    made = signing.make(file, public, phrase)
    if as_json:
        typer.echo(json.dumps({"key_id": made.id, "private": str(file), "public": str(public)}))
        return
    typer.echo(f"key {made.id}")
    typer.echo(f"{file}: the private key: it signs releases; keep it off every host, and a copy "
               "in a safe place")
    typer.echo(f"{public}: the public key: for `idroserra provision --update-key`, and [update] "
               "public_keys of the host")


@app.command()
def build(
    board: Annotated[str, typer.Argument(help="Name of a board, or path of a board file.")],
    key: KeyFile,
    out: Annotated[Path | None, typer.Option(
        help="The folder of the release; BOARD-VERSION here unless said otherwise.")] = None,
    version: Annotated[str | None, typer.Option(
        help="What the release is called; without it, the version of this software.")] = None,
    security_counter: Annotated[int | None, typer.Option(
        min=0, help="No node that ran this goes back below it; without it, that of this "
        "software.")] = None,
    passphrase_file: PassphraseFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Build and sign the release of a board. The same sources and key give the same bytes."""
    from idroserra.flash.progress import ProgressReporter
    from idroserra.updates import release, signing

    phrase = _passphrase(passphrase_file, is_new=False) if signing.needs_passphrase(key) else None
    private = signing.load_private(key, phrase)
    with ProgressReporter(says=not as_json) as bars:
        bars.say("compiling")
        made = release.build(board, private, version=version, security_counter=security_counter)
        folder = out or Path(f"{made.manifest.board}-{made.manifest.version}")
        release.write(made, folder)
    _tell(made, folder, as_json=as_json)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder of a release.")],
    key: Annotated[list[Path] | None, typer.Option(
        "--key", help="A public key; without any, those of the host's configuration.")] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check a release as a node does, byte for byte, and say what it is for."""
    from idroserra.updates import release, signing

    paths = key or list(load_config(config).update.public_keys)
    if not paths:
        raise ConfigError("command line", "--key", "a public key is needed to check with")
    _tell(release.read(folder, signing.load_trusted(paths)), folder, as_json=as_json)


app.command("offer")(offer)
app.command("status")(status)
app.command("cancel")(cancel)
app.command("list")(list_releases)
app.command("remove")(remove)


def _tell(found: Any, folder: Path, *, as_json: bool) -> None:
    told = found.manifest
    if as_json:
        typer.echo(json.dumps({
            "folder": str(folder), "release": found.sha256, "version": told.version,
            "board_class": told.board_class, "kernel": told.kernel,
            "security_counter": told.security_counter, "files": len(told.files),
            "bytes": told.total_bytes, "key_id": found.key_id}))
        return
    typer.echo(f"{folder}: version {told.version} for {told.board_class}, kernel {told.kernel}, "
               f"security counter {told.security_counter}")
    typer.echo(f"release {found.sha256[:16]}, {len(told.files)} files, {told.total_bytes} bytes, "
               f"each as it was signed with key {found.key_id}")


def _passphrase(file: Path | None, *, is_new: bool) -> bytes:
    """Return the passphrase of a private key. Raises ConfigError."""
    text = os.environ.pop(PASSPHRASE, "")
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(str(file), "", getattr(error, "strerror", None) or "is no UTF-8"
                              ) from None
        text = text.removesuffix("\n").removesuffix("\r")
    if not text and sys.stdin.isatty():
        text = getpass.getpass("Passphrase of the private key: ")
        if is_new and text and getpass.getpass("The same once more: ") != text:
            raise ConfigError("command line", "passphrase", "the two are not the same")
    if not text:
        raise ConfigError("command line", "passphrase", f"none was given: --passphrase-file, "
                          f"{PASSPHRASE}, or --no-passphrase for a key without one")
    return text.encode()
