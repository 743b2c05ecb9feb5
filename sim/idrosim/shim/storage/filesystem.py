"""Simulated `os` module on a local directory.

A mounted VfsPosix with a root renames wrongly, so calls go to an unrooted one with the full path.
To make runs reproducible, listings are sorted, times and inodes are 0, the flash has the size of a
board's, and urandom is seeded.
"""

import hashlib

BLOCK_BYTES = 4_096
BLOCK_COUNT = 512  # 2 MB, the stock layout on 4 MB of flash
_MULTIPLIER = 6_364_136_223_846_793_005
_MASK = (1 << 64) - 1
_READS = ("r", "rb", "rt")
_FOLDER = 0x4000


class Flash:
    """The functions of `os` on the directory `root`, the flash of the board."""

    def __init__(self, runtime, root, real_urandom):
        self._disk = runtime.disk
        self._root = root
        self._real_urandom = real_urandom if runtime.clock.is_live else None
        identity = f"{runtime.job['node']} {runtime.job['seed']} {runtime.boot_count}"
        digest = hashlib.sha256(identity.encode()).digest()
        self._random = int.from_bytes(digest[:8], "little")
        self._touched = set()  # folders of the root that may have changed in this boot
        self._counted = {}  # untouched folder of the root: its blocks

    def ilistdir(self, path="/"):
        """Yield (name, type, inode, size), sorted by name."""
        entries = _entries(self._disk, self._place(path))
        return iter([(name, kind, 0, size) for name, kind, size in entries])

    def listdir(self, path="/"):
        """Return the names, sorted."""
        return [entry[0] for entry in _entries(self._disk, self._place(path))]

    def mkdir(self, path):
        """Make a directory."""
        self._disk.mkdir(self._touch(path))

    def remove(self, path):
        """Remove a file."""
        self._disk.remove(self._touch(path))

    def rmdir(self, path):
        """Remove an empty directory."""
        self._disk.rmdir(self._touch(path))

    def rename(self, old_path, new_path):
        """Rename, replacing an existing file."""
        self._disk.rename(self._touch(old_path), self._touch(new_path))

    def stat(self, path):
        """Return the stat tuple, with type and size only."""
        found = self._disk.stat(self._place(path))
        return (found[0] & 0xF000, 0, 0, 0, 0, 0, found[6], 0, 0, 0)

    def statvfs(self, path):
        """Return the statvfs tuple, with size and free space."""
        free = max(0, BLOCK_COUNT - self._blocks())
        return (BLOCK_BYTES, BLOCK_BYTES, BLOCK_COUNT, free, free, 0, 0, 0, 0, 255)

    def chdir(self, path):
        """Accept only the root: the firmware uses absolute paths."""
        if self._place(path) != self._root:
            raise OSError(2)

    def urandom(self, count):
        """Return `count` random bytes, in lockstep derived from the seed."""
        if self._real_urandom is not None:
            return self._real_urandom(count)
        data = bytearray(count)
        for index in range(count):
            self._random = (self._random * _MULTIPLIER + 1_442_695_040_888_963_407) & _MASK
            data[index] = self._random >> 56
        return bytes(data)

    def open(self, path, mode):
        """Open a file."""
        return self._disk.open(self._place(path) if mode in _READS else self._touch(path), mode)

    def watched(self, real_open):
        """Return the built-in `real_open`, extended to record folders that are written to."""
        def open(path, mode="r", **more):
            if mode not in _READS:
                self._touch(path)
            return real_open(path, mode, **more)

        return open

    def _blocks(self):
        """Return the number of used blocks. A folder without writes is counted once."""
        count = 0
        for name, kind, size in _entries(self._disk, self._root):
            if kind != _FOLDER:
                count += (size + BLOCK_BYTES - 1) // BLOCK_BYTES
                continue
            if name in self._touched or name not in self._counted:
                self._counted[name] = 2 + _blocks(self._disk, self._root + "/" + name)
            count += self._counted[name]
        return count

    def _touch(self, path):
        """Return the local path of `path`, which is about to change."""
        place = self._place(path)
        self._touched.add(place[len(self._root) + 1 :].split("/")[0])
        return place

    def _place(self, path):
        parts = []
        for part in path.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/".join([self._root] + parts)


def functions(flash):
    """Return the public names of `os` on a Flash."""
    return {
        "ilistdir": flash.ilistdir, "listdir": flash.listdir, "mkdir": flash.mkdir,
        "remove": flash.remove, "unlink": flash.remove, "rmdir": flash.rmdir,
        "rename": flash.rename, "stat": flash.stat, "statvfs": flash.statvfs,
        "chdir": flash.chdir, "getcwd": _getcwd, "sync": _sync, "uname": _uname,
        "urandom": flash.urandom, "sep": "/",
    }


def _getcwd():
    return "/"


def _sync():
    return None


def _uname():
    return ("esp32", "esp32", "1.29.0", "v1.29.0", "Generic ESP32 module with ESP32")


def _entries(disk, path):
    """Return the sorted entries (name, type, size) of a directory; folders have size 0."""
    found = []
    for entry in disk.ilistdir(path):
        name = entry[0]
        if name in (".", ".."):
            continue
        is_directory = entry[1] == _FOLDER
        size = 0 if is_directory else disk.stat(path + "/" + name)[6]
        found.append((name, entry[1], size))
    return sorted(found)


def _blocks(disk, path):
    """Return the number of flash blocks of the tree under `path`."""
    count = 0
    for name, kind, size in _entries(disk, path):
        if kind == _FOLDER:
            count += 2 + _blocks(disk, path + "/" + name)
        else:
            count += (size + BLOCK_BYTES - 1) // BLOCK_BYTES
    return count
