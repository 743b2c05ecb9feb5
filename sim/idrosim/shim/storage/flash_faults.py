"""Injects faults into the flash, as armed by a scenario; without any this code is not active.

An operation changes flash: a file is created or truncated, a write to it, a rename, a removal, a
new folder, an NVS commit. Power can fail in the n-th operation, with a share of it done: part of
the bytes of a write, part of the keys of a commit; all others are atomic. That is harsher than
littlefs, where a file that was not closed has its old content.

Erases are an estimate for littlefs, which never writes in place: a written file costs the blocks
from the start of writing to its end, and 40 changes of folders cost one.
"""

import builtins

ENOENT, EIO, ENOSPC = 2, 5, 28
BLOCK_BYTES = 4_096
COMMITS_PER_ERASE = 40
_CHANGES = ("mkdir", "remove", "unlink", "rmdir", "rename", "statvfs")


class FlashFaults:
    """Intercepts flash access of the firmware from the first fault.

    `flash` is a filesystem.Flash, `open_file(path, mode)` opens one of its files, and
    `cut(cause, dark_ms)` cuts the power and never returns.
    """

    def __init__(self, flash, open_file, cut):
        self._flash = flash
        self._open = open_file
        self._reset = cut
        self._cut = None  # [operations left, share done, cause, dark_ms, start of the path]
        self._filler_blocks = None  # simulated use of a full flash
        self._unreadable = []  # targets
        self._counts = None  # name: [writes, bytes, erases]
        self._commits = 0
        self.module = None  # the `os` of the board, once installed

    # called by the scenario

    def apply(self, kind, args):
        """Start a fault of the flash; "none" ends it. Raises ValueError."""
        target = args.get("target", "")
        if kind == "full":
            free_blocks = self._flash.statvfs("/")[3] - args.get("free_blocks", 0)
            self._filler_blocks = max(0, free_blocks)
        elif kind == "unreadable":
            self._unreadable.append(target)
        elif kind == "corrupt":
            self._corrupt(target, args.get("byte"))
        elif target == "flash":
            self._filler_blocks = None
            self._unreadable = []
        elif target in self._unreadable:
            self._unreadable.remove(target)
        self.arm()

    def cut_at(self, operation, share, cause, dark_ms, target=""):
        """Cut power in the `operation`-th operation from now, with `share` of it done.

        Only operations on paths that start with `target` count.
        """
        self._cut = [operation, share, cause, dark_ms, target]
        self.arm()

    def count(self):
        """Start to count writes, bytes and erases by file."""
        self._counts = {}
        self.arm()

    def counted(self):
        """Return {quantity: number} since count(), None without it."""
        if self._counts is None:
            return None
        found = {"writes": 0, "bytes": 0, "erases": self._commits // COMMITS_PER_ERASE}
        for name, counts in self._counts.items():
            for quantity, number in zip(("writes", "bytes", "erases"), counts):  # noqa: B905
                found[quantity] += number
                found[f"{quantity}.{name}"] = number
        return found

    def state(self):
        """Return the state that survives a reset, JSON-able."""
        return [self._cut, self._filler_blocks, self._unreadable, self._counts, self._commits]

    def restore(self, state):
        """Restore what `state` returned."""
        (self._cut, self._filler_blocks, self._unreadable, self._counts, self._commits) = state

    def arm(self):
        """Intercept the calls of the firmware, if a fault is set and the modules are installed."""
        is_needed = self._cut or self._unreadable or self._counts is not None
        if self.module is None or not (is_needed or self._filler_blocks is not None):
            return
        for name in _CHANGES:
            setattr(self.module, name, getattr(self, name))
        builtins.open = self.open

    # called by the firmware

    def open(self, path, mode="r", **more):
        """Open a file, as the built-in does."""
        if not ("w" in mode or "a" in mode or "+" in mode):
            if any(_matches(path, target) for target in self._unreadable):
                raise OSError(EIO)
            return self._open(path, mode)
        size = self._size(path)
        if "w" in mode or size is None:
            cut = self.count_operation(path)
            if cut is not None:
                if cut[1]:
                    self._open(path, mode).close()
                self.cut_power(cut)
        start = 0 if "w" in mode else size or 0
        return _File(self, path, self._open(path, mode), start)

    def mkdir(self, path):
        """Make a directory."""
        if self._filler_blocks is not None and self._free_blocks() < 2:
            raise OSError(ENOSPC)
        self._atomic(path, lambda: self._flash.mkdir(path))

    def remove(self, path):
        """Remove a file."""
        self._atomic(path, lambda: self._flash.remove(path))

    unlink = remove

    def rmdir(self, path):
        """Remove an empty directory."""
        self._atomic(path, lambda: self._flash.rmdir(path))

    def rename(self, old_path, new_path):
        """Rename, replacing an existing file."""
        self._atomic(new_path, lambda: self._flash.rename(old_path, new_path))

    def statvfs(self, path):
        """Return the statvfs tuple, with size and free space."""
        found = self._flash.statvfs(path)
        free = self._free_blocks()
        return found[:3] + (free, free) + found[5:]

    def count_operation(self, path=""):
        """Count one operation. Return the cut that is due in it, for `cut_power`, or None."""
        cut = self._cut
        if cut is None or not path.startswith(cut[4]):
            return None
        cut[0] -= 1
        if cut[0] > 0:
            return None
        self._cut = None
        return cut

    def cut_power(self, cut):
        """Cut the power. Never returns."""
        self._reset(cut[2], cut[3])

    def write(self, file, data):
        """Write to a _File, as far as space and power allow."""
        size = len(data)
        if self._filler_blocks is not None:
            end = file.end
            more_blocks = _blocks(end + size) - _blocks(end)
            # Even a partly used last block is rewritten elsewhere.
            if self._free_blocks() < max(1, more_blocks):
                raise OSError(ENOSPC)
        cut = self.count_operation(file.path)
        if cut is not None:
            part = int(size * cut[1])
            if part:
                file.real.write(data[:part])
            self.cut_power(cut)
        written = file.real.write(data)
        file.end += size
        if self._counts is not None:
            counts = self._counts_of(file.path)
            counts[0] += 1
            counts[1] += size
        return written

    def closed(self, file):
        """Count the erases of a closed _File."""
        if self._counts is not None and file.end > file.start:
            self._commits += 1
            first = file.start // BLOCK_BYTES
            self._counts_of(file.path)[2] += _blocks(file.end) - first

    def _atomic(self, path, change):
        """Do an operation that power can only fail before or after."""
        cut = self.count_operation(path)
        if cut is None or cut[1] >= 1:
            change()
        if cut is not None:
            self.cut_power(cut)
        if self._counts is not None:
            self._commits += 1

    def _corrupt(self, target, index):
        paths = [path for path in self._files("/") if _matches(path, target)]
        if not paths:
            raise ValueError(f"fault flash_corrupt: no file matches {target}")
        for path in paths:
            with self._open(path, "rb") as file:
                data = bytearray(file.read())
            if not data:
                continue
            at = len(data) // 2 if index is None else index
            if not -len(data) <= at < len(data):
                raise ValueError(f"fault flash_corrupt: {path} has {len(data)} bytes")
            data[at] ^= 0x55
            with self._open(path, "wb") as file:
                file.write(data)

    def _files(self, folder):
        found = []
        for entry in self._flash.ilistdir(folder):
            path = folder + entry[0]
            found += self._files(path + "/") if entry[1] == 0x4000 else [path]
        return found

    def _size(self, path):
        """Return the size of a file, None if it does not exist."""
        try:
            return self._flash.stat(path)[6]
        except OSError:
            return None

    def _free_blocks(self):
        return max(0, self._flash.statvfs("/")[3] - (self._filler_blocks or 0))

    def _counts_of(self, path):
        """Return the counts of a file; all files of a folder under /data share one."""
        name = path.split("/")[2 if path.startswith("/data/") else 1]
        if name.endswith(".new"):
            name = name[:-4]
        return self._counts.setdefault(name, [0, 0, 0])


class _File:
    """A file open for writing."""

    def __init__(self, faults, path, real, start):
        self._faults = faults
        self.path = path
        self.real = real
        self.start = self.end = start

    def write(self, data):
        """Write text or bytes. Raises OSError."""
        return self._faults.write(self, data)

    def close(self):
        """Close the file and count its erases."""
        self.real.close()
        self._faults.closed(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __getattr__(self, name):
        return getattr(self.real, name)


def _blocks(size):
    return (size + BLOCK_BYTES - 1) // BLOCK_BYTES


def _matches(path, target):
    """Return True if `path` is `target`, or starts with a target that ends in *."""
    return path.startswith(target[:-1]) if target.endswith("*") else path == target
