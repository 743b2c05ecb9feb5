"""Fixtures of the integration tests: virtual boards and their files."""

from support.flash_fixtures import binary_file, built, image_files, plug_in, run_cli  # noqa: F401
