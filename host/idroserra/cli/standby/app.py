"""`idroserra standby`: follow a host of another machine, and take over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError

if TYPE_CHECKING:
    from idroserra.standby.marker import TakenOver

EVERY_S = 1.0
LATE_S = 15.0  # the host copies every two seconds

app = typer.Typer(no_args_is_help=True, add_completion=False,
                  help="Follow a host of another machine, and take over when it dies.")


@app.command()
def follow(
    config: ConfigFile = None, *,
    automatic: Annotated[bool, typer.Option(
        help="Take over when the cluster of brokers has not seen the host for 30 s.")] = False,
) -> None:
    """Follow the host that copies to `standby.folder`, until it is ended; print changes.

    With --automatic this process becomes the host after a take-over, also when it is started
    again."""
    from idroserra.standby.take_over import is_done

    settings = load_config(config)
    folder = _folder(settings)
    with _locked(settings):
        if folder.is_file() and not automatic:
            raise ConfigError("configuration", "standby.folder", f"{folder} is a file: this "
                              "machine has taken over: start its host, idroserra serve")
        if not folder.is_file():
            _follow(folder, settings, automatic=automatic)
            typer.echo("the cluster of brokers has not seen the host for 30 s: taking over")
        if not (folder.is_file() and is_done(folder, settings.data_dir)):
            _take_over(settings, folder, "standby")
    from idroserra.web.process import become_host

    become_host(config, None, simulated=False)


def _follow(folder: Path, settings: Config, *, automatic: bool) -> None:
    """Follow until the host is gone; for ever, unless `automatic`."""
    from idroserra.standby.cluster_watch import ClusterWatch
    from idroserra.standby.follower import Follower, work_folder

    work = work_folder(settings.data_dir)
    watch = ClusterWatch(work) if automatic else None
    follower = Follower(folder, work)
    said = ""
    try:
        while watch is None or not watch.is_gone(time.monotonic()):
            text = _state_text(follower.step())
            if watch is not None and watch.problem:
                text += f"; not automatic now: {watch.problem}"
            if text != said:
                typer.echo(f"{datetime.now(UTC):%H:%M:%S} {text}")
                said = text
            time.sleep(EVERY_S)
    finally:
        follower.stop()


@app.command(name="take-over")
def take_over(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Make this machine the host that it has followed. End `standby follow` first.

    The old host confirms no more records to nodes from then on. Start the host here afterwards."""
    from idroserra.standby.take_over import ages_text

    settings = load_config(config)
    with _locked(settings):
        done = _take_over(settings, _folder(settings), "command line")
    if as_json:
        typer.echo(json.dumps({**done._asdict(), "lost_ms": done.age_ms}))
        return
    for name, age in ages_text(done).items():
        typer.echo(f"  {name}  as of {age} ago", err=True)
    typer.echo("Records: the nodes send again what was not confirmed. Other changes of the last "
               f"{done.age_ms / 1_000:.0f} s, such as notes, may be missing.\n"
               "Start the host here: idroserra serve", err=True)


def _take_over(settings: Config, folder: Path, by: str) -> TakenOver:
    from idroserra.standby.take_over import take_over as become

    return become(folder, settings.data_dir.resolve(), datetime.now(UTC),
                  lambda text: typer.echo(f"  {text}", err=True), by)


def _state_text(copied_unix_ms: dict[str, int]) -> str:
    if not copied_unix_ms:
        return "no copy of a host yet"
    newest_s = min(copied_unix_ms.values()) / 1_000
    if time.time() - newest_s <= LATE_S:
        return f"following, {len(copied_unix_ms)} databases"
    return f"nothing new since {datetime.fromtimestamp(newest_s, UTC):%H:%M:%S}"


def _folder(settings: Config) -> Path:
    folder = settings.standby.folder
    if folder is None:
        raise ConfigError("configuration", "standby.folder", "set the folder to follow")
    return folder.expanduser().absolute()


@contextmanager
def _locked(settings: Config) -> Iterator[None]:
    """Hold the lock of the data folder: no host runs on it meanwhile. Raises ConfigError."""
    from idroserra.core.sqlite import lock_folder

    try:
        lock = lock_folder(settings.data_dir)
    except BlockingIOError:
        raise ConfigError(str(settings.data_dir), "data_dir",
                          "a host or `standby follow` is running on it: end it first") from None
    except OSError as error:
        raise ConfigError(str(settings.data_dir), "data_dir", str(error)) from None
    with closing(lock):
        yield
