"""`idroserra ingest`: a worker beside the host, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ingest(
    name: Annotated[str, typer.Argument(help="What this worker is called, such as 1.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file of the host.")],
    *,
    forget: Annotated[
        bool, typer.Option("--forget", help="Take nothing: give this worker up for good, so that "
                           "nobody misses it."),
    ] = False,
) -> None:
    """Help a busy host with its records: one worker of the group `mqtt.share`.

    Start as many as there are cores to spare, each with a name of its own, on the machine and with
    the configuration of the host. Any of them may die at any time.
    """
    import logging
    import signal
    import threading

    from idroserra import systemd
    from idroserra.config import load_config
    from idroserra.errors import ConfigError
    from idroserra.worker import Worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if forget:
        if not Worker.forget(load_config(config), name):
            raise ConfigError("command line", "NAME", f"there is no worker {name}")
        typer.echo(f"Worker {name} is given up")
        return
    worker = Worker(load_config(config), name)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    worker.start()
    systemd.notify("READY=1")
    typer.echo(f"Worker {name} takes records (Ctrl-C ends)", err=True)
    ended.wait()
    systemd.notify("STOPPING=1")
    worker.stop()
