"""`idroserra update`: build releases and roll them out over the air (docs/update.md)."""

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
    help="Releases: build, sign and roll out over the air.", no_args_is_help=True,
    add_completion=False)

PASSPHRASE = "IDROSERRA_RELEASE_PASSPHRASE"
PUBLIC_SUFFIX = ".pub"
KeyFile = Annotated[Path, typer.Option(
    "--key", help="Private key of `update keygen`; never leaves this machine.")]
PassphraseFile = Annotated[Path | None, typer.Option(
    "--passphrase-file", help=f"File with the passphrase, or - for stdin; default: {PASSPHRASE}, "
    "else a prompt.")]


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(
        metavar="FILE", help="Private key to write; the public key is FILE.pub.")],
    passphrase_file: PassphraseFile = None, *,
    no_passphrase: Annotated[bool, typer.Option(
        "--no-passphrase", help="No passphrase: anyone who can read the file can sign.")] = False,
    as_json: AsJson = False,
) -> None:
    """Generate the key pair that signs releases."""
    from idroserra.updates import signing

    phrase = None if no_passphrase else _passphrase(passphrase_file, is_new=True)
    public = file.with_name(file.name + PUBLIC_SUFFIX)
    made = signing.make(file, public, phrase)
    if as_json:
        typer.echo(json.dumps({"key_id": made.id, "private": str(file), "public": str(public)}))
        return
    typer.echo(f"key {made.id}")
    typer.echo(f"{file}: private key: signs releases; keep it off every host, and a copy "
               "in a safe place")
    typer.echo(f"{public}: public key: for `idroserra provision --update-key` and [update] "
               "public_keys of the host")


@app.command()
def build(
    board: Annotated[str, typer.Argument(help="Board name, or path of a board file.")],
    key: KeyFile,
    out: Annotated[Path | None, typer.Option(
        help="Folder of the release; default: BOARD-VERSION.")] = None,
    version: Annotated[str | None, typer.Option(
        help="Version of the release; default: that of this software.")] = None,
    security_counter: Annotated[int | None, typer.Option(
        min=0, help="Nodes refuse a later release with a lower counter; default: that of this "
        "software.")] = None,
    passphrase_file: PassphraseFile = None, *, as_json: AsJson = False,
) -> None:
    """Build and sign a release for a board. Builds are reproducible."""
    from idroserra.flash.progress import ProgressReporter
    from idroserra.updates import release, signing

    phrase = _passphrase(passphrase_file, is_new=False) if signing.needs_passphrase(key) else None
    private = signing.load_private(key, phrase)
    with ProgressReporter(says=not as_json) as bars:
        bars.say("compiling")
        made = release.build(board, private, version=version, security_counter=security_counter)
        folder = out or Path(f"{made.manifest.board}-{made.manifest.version}")
        release.write(made, folder)
    _print_release(made, folder, as_json=as_json)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a release.")],
    key: Annotated[list[Path] | None, typer.Option(
        "--key", help="Public key; default: those of the host's configuration.")] = None,
    config: ConfigFile = None, *, as_json: AsJson = False,
) -> None:
    """Verify a release as a node does, and print its properties."""
    from idroserra.updates import release, signing

    paths = key or list(load_config(config).update.public_keys)
    if not paths:
        raise ConfigError("command line", "--key", "required: a public key")
    _print_release(release.read(folder, signing.load_trusted(paths)), folder, as_json=as_json)


app.command("offer")(offer)
app.command("status")(status)
app.command("cancel")(cancel)
app.command("list")(list_releases)
app.command("remove")(remove)


def _print_release(found: Any, folder: Path, *, as_json: bool) -> None:
    manifest = found.manifest
    if as_json:
        typer.echo(json.dumps({
            "folder": str(folder), "release": found.sha256, "version": manifest.version,
            "board_class": manifest.board_class, "kernel": manifest.kernel,
            "security_counter": manifest.security_counter, "files": len(manifest.files),
            "bytes": manifest.total_bytes, "key_id": found.key_id}))
        return
    typer.echo(f"{folder}: version {manifest.version} for {manifest.board_class}, "
               f"kernel {manifest.kernel}, security counter {manifest.security_counter}")
    typer.echo(f"release {found.sha256[:16]}, {len(manifest.files)} files, "
               f"{manifest.total_bytes} bytes, verified with key {found.key_id}")


def _passphrase(file: Path | None, *, is_new: bool) -> bytes:
    """Return the passphrase of a private key. Raises ConfigError."""
    text = os.environ.pop(PASSPHRASE, "")
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(str(file), "", getattr(error, "strerror", None) or "not UTF-8"
                              ) from None
        text = text.removesuffix("\n").removesuffix("\r")
    if not text and sys.stdin.isatty():
        text = getpass.getpass("Passphrase of the private key: ")
        if is_new and text and getpass.getpass("Repeat the passphrase: ") != text:
            raise ConfigError("command line", "passphrase", "the entries differ")
    if not text:
        raise ConfigError("command line", "passphrase", f"missing: --passphrase-file, "
                          f"{PASSPHRASE}, or --no-passphrase for a key without one")
    return text.encode()
