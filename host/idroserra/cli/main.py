"""The command line `idroserra`; the module of a command is imported when it is used.

Exit codes: 0 success, 1 failure, 2 usage error, 3 verification failed.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idroserra.core.errors import ConfigError
from idroserra.core.exit_codes import run_cli

# command: module and attribute, in the order of the help.
COMMANDS = {
    "demo": "idroserra.cli.demo:demo",
    "serve": "idroserra.cli.serve:serve",
    "phone": "idroserra.cli.phone:phone",
    "watch": "idroserra.cli.watch:watch",
    "node": "idroserra.cli.node.app:app",
    "alarms": "idroserra.cli.alarms:app",
    "explain": "idroserra.cli.explain:explain",
    "journal": "idroserra.cli.node.journal:journal",
    "calibrate": "idroserra.cli.calibrate.app:app",
    "recipe": "idroserra.cli.recipe.app:app",
    "board": "idroserra.cli.board.app:app",
    "flash": "idroserra.cli.flash:flash",
    "provision": "idroserra.cli.provision.app:provision",
    "broker": "idroserra.cli.broker:app",
    "move": "idroserra.cli.move.app:app",
    "update": "idroserra.cli.update.app:app",
    "sim": "idroserra.cli.sim.app:app",
    "chem": "idroserra.cli.chem.app:app",
    "user": "idroserra.cli.user:app",
    "audit": "idroserra.cli.audit:audit",
    "rejected": "idroserra.cli.rejected:rejected",
    "export": "idroserra.cli.export:export",
    "report": "idroserra.cli.report:report",
    "store": "idroserra.cli.history:app",
    "feed": "idroserra.cli.feed:app",
    "foreign": "idroserra.cli.foreign:app",
    "backup": "idroserra.cli.backup:backup",
    "restore": "idroserra.cli.backup:restore",
    "standby": "idroserra.cli.standby.app:app",
    "unit": "idroserra.cli.systemd:unit",
    "homeassistant": "idroserra.cli.homeassistant:app",
    "doctor": "idroserra.cli.doctor:doctor",
}


class LazyGroup(TyperGroup):
    """A command group that imports the module of a command only when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None if unknown."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Idroserra: an open controller for hydroponic greenhouses, from board to page.")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(version("idroserra"))
        raise typer.Exit


@app.callback()
def _root(
    *,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the API token; default: IDROSERRA_TOKEN, "
                     "else the token of your own host on this machine."),
    ] = None,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True,
                     callback=_print_version),
    ] = False,
) -> None:
    """Set the API token for all commands."""
    if token_file is not None:
        try:
            os.environ["IDROSERRA_TOKEN"] = token_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(str(token_file), "", str(error)) from None


def main() -> None:
    """Run the command line; a HostError prints one line on stderr and sets the exit code."""
    if "_IDROSERRA_COMPLETE" in os.environ:  # set by the completion of a shell
        from typer._completion_classes import completion_init

        completion_init()
    run_cli(app)


if __name__ == "__main__":
    main()
