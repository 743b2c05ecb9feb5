"""What can go wrong with the flash, armed by a scenario; while nothing is, none of this runs.

An operation is what changes flash: a file begun or emptied, each write to it, a rename, a removal,
a folder made, a commit of NVS. Power can go in the n-th of them, with a share of it done: of a
write so much is there, of a commit so many keys; anything else is there as a whole or not at all.
That is harsher than littlefs, where a file that was not closed shows what it held before: firmware
that survives this survives both.

Erases are an estimate for littlefs, which never writes in place: every file that was written costs
the blocks from where writing began to its end, and 40 changes of a folder cost one.
"""

import builtins

ENOENT, EIO, ENOSPC = 2, 5, 28
BLOCK_BYTES = 4_096
COMMITS_PER_ERASE = 40
_CHANGES = ("mkdir", "remove", "unlink", "rmdir", "rename", "statvfs")


class FlashFaults:
    """Stands between the firmware and its flash from the first fault on.

    `flash` has the calls of the board's `os` (files.Flash), `open_file(path, mode)` opens a file
    of it, and `cut(cause, dark_ms)` cuts the power and never returns.
    """

    def __init__(self, flash, open_file, cut):
        self._flash = flash
        self._open = open_file
        self._cut_power = cut
        self._cut = None  # [operations left, share done, cause, dark_ms, path or how it begins]
        self._filler_blocks = None  # what others have filled of a full flash
        self._unreadable = []  # targets
        self._counts = None  # name: [writes, bytes, erases]
        self._commits = 0
        self.module = None  # the board's `os`, once it is there

    # what a scenario does

    def apply(self, kind, args):
        """Let a fault of the flash begin, or end with "none". Raises ValueError."""
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
        """Let power go in the `operation`-th operation from now on, with `share` of it done.

        Only those on paths that begin with `target` count.
        """
        self._cut = [operation, share, cause, dark_ms, target]
        self.arm()

    def count(self):
        """Count writes, bytes and erases by file from now on."""
        self._counts = {}
        self.arm()

    def counted(self):
        """Return {what: number} since the start, None where nobody asked for it."""
        if self._counts is None:
            return None
        found = {"writes": 0, "bytes": 0, "erases": self._commits // COMMITS_PER_ERASE}
        for name, counts in self._counts.items():
            for what, number in zip(("writes", "bytes", "erases"), counts):  # noqa: B905
                found[what] += number
                found[f"{what}.{name}"] = number
        return found

    def state(self):
        """Return what outlives a reset, JSON-able."""
        return [self._cut, self._filler_blocks, self._unreadable, self._counts, self._commits]

    def restore(self, state):
        """Take up where `state` left off."""
        (self._cut, self._filler_blocks, self._unreadable, self._counts,
         self._commits) = state

    def arm(self):
        """Step in between, where there is something to do and a firmware to do it to."""
        is_needed = self._cut or self._unreadable or self._counts is not None
        if self.module is None or not (is_needed or self._filler_blocks is not None):
            return
        for name in _CHANGES:
            setattr(self.module, name, getattr(self, name))
        builtins.open = self.open

    # what the firmware calls

    def open(self, path, mode="r", **more):
        """As the built-in, on the flash."""
        if not ("w" in mode or "a" in mode or "+" in mode):
            if any(_matches(path, target) for target in self._unreadable):
                raise OSError(EIO)
            return self._open(path, mode)
        size = self._size(path)
        if "w" in mode or size is None:
            cut = self.strikes(path)
            if cut is not None:
                if cut[1]:
                    self._open(path, mode).close()
                self.go_dark(cut)
        start = 0 if "w" in mode else size or 0
        return _File(self, path, self._open(path, mode), start)

    def mkdir(self, path):
        """Make a directory."""
        if self._filler_blocks is not None and self._free_blocks() < 2:
            raise OSError(ENOSPC)
        self._whole(path, lambda: self._flash.mkdir(path))

    def remove(self, path):
        """Remove a file."""
        self._whole(path, lambda: self._flash.remove(path))

    unlink = remove

    def rmdir(self, path):
        """Remove an empty directory."""
        self._whole(path, lambda: self._flash.rmdir(path))

    def rename(self, old_path, new_path):
        """Rename, replacing what was there."""
        self._whole(new_path, lambda: self._flash.rename(old_path, new_path))

    def statvfs(self, path):
        """Return the size and the free space of the flash in the usual tuple."""
        found = self._flash.statvfs(path)
        free = self._free_blocks()
        return found[:3] + (free, free) + found[5:]

    def strikes(self, path=""):
        """Count one operation. Return the cut that falls into it, for `go_dark`, or None."""
        cut = self._cut
        if cut is None or not path.startswith(cut[4]):
            return None
        cut[0] -= 1
        if cut[0] > 0:
            return None
        self._cut = None
        return cut

    def go_dark(self, cut):
        """The power goes. Never returns."""
        self._cut_power(cut[2], cut[3])

    def write(self, file, data):
        """Write to a _File: so much as there is room and power for."""
        size = len(data)
        if self._filler_blocks is not None:
            end = file.end
            more_blocks = _blocks(end + size) - _blocks(end)
            # Even the last block, half full, is written anew elsewhere.
            if self._free_blocks() < max(1, more_blocks):
                raise OSError(ENOSPC)
        cut = self.strikes(file.path)
        if cut is not None:
            part = int(size * cut[1])
            if part:
                file.real.write(data[:part])
            self.go_dark(cut)
        written = file.real.write(data)
        file.end += size
        if self._counts is not None:
            counts = self._counts_of(file.path)
            counts[0] += 1
            counts[1] += size
        return written

    def closed(self, file):
        """A _File is complete."""
        if self._counts is not None and file.end > file.start:
            self._commits += 1
            first = file.start // BLOCK_BYTES
            self._counts_of(file.path)[2] += _blocks(file.end) - first

    def _whole(self, path, change):
        """Do an operation that is there as a whole or not at all."""
        cut = self.strikes(path)
        if cut is None or cut[1] >= 1:
            change()
        if cut is not None:
            self.go_dark(cut)
        if self._counts is not None:
            self._commits += 1

    def _corrupt(self, target, index):
        paths = [path for path in self._files("/") if _matches(path, target)]
        if not paths:
            raise ValueError(f"fault flash_corrupt: there is no file {target}")
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
        """Return the bytes of a file, None where there is none."""
        try:
            return self._flash.stat(path)[6]
        except OSError:
            return None

    def _free_blocks(self):
        return max(0, self._flash.statvfs("/")[3] - (self._filler_blocks or 0))

    def _counts_of(self, path):
        """Return the counts of a file; those of a folder under /data count together."""
        name = path.split("/")[2 if path.startswith("/data/") else 1]
        if name.endswith(".new"):
            name = name[:-4]
        return self._counts.setdefault(name, [0, 0, 0])


class _File:
    """A file that is being written."""

    def __init__(self, faults, path, real, start):
        self._faults = faults
        self.path = path
        self.real = real
        self.start = self.end = start

    def write(self, data):
        """Write text or bytes. Raises OSError."""
        return self._faults.write(self, data)

    def close(self):
        """Close; what was written is complete."""
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
    """True for the path itself; a target that ends in * stands for all that begin so."""
    return path.startswith(target[:-1]) if target.endswith("*") else path == target
