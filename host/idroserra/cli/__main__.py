"""Runs the command line: `python -m idroserra.cli`."""

from idroserra.cli.main import main

main()
