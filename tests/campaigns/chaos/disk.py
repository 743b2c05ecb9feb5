"""A small file system for disk-full tests: a tmpfs if mounting is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE_MB = 16  # of the disk of a host


class SmallDisk:
    """A file system of `size_mb` at `path`. `is_real` is False if none can be mounted."""

    def __init__(self, path: Path, size_mb: int = SIZE_MB) -> None:
        self.path = path
        self._size_mb = size_mb
        self.is_real = False
        self._ballast = path / "ballast"

    def __enter__(self) -> SmallDisk:
        self.path.mkdir(parents=True)
        mount = shutil.which("mount")
        if mount and hasattr(os, "geteuid") and os.geteuid() == 0:
            options = f"size={self._size_mb}m,mode=700"
            command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", self.path]
            self.is_real = subprocess.run(command, capture_output=True).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        self.empty()
        if self.is_real:
            subprocess.run(["umount", self.path], check=True)

    def fill(self, free_bytes: int) -> None:
        """Leave about `free_bytes` of free space."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for block in (65_536, 4_096):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(block))
            ballast.truncate(max(0, ballast.tell() - free_bytes))

    def empty(self) -> None:
        """Free the space again."""
        self._ballast.unlink(missing_ok=True)
