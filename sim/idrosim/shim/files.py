"""The board's `os` over a directory of this machine.

A mounted VfsPosix with a root renames wrongly, so the calls go to an unrooted one with the whole
path. Listings are sorted, times and inodes left out and the size of the flash is a board's, so
that two runs see the same bytes. urandom is seeded.
"""

import hashlib

BLOCK_BYTES = 4_096
BLOCK_COUNT = 512  # 2 MB, the stock layout on 4 MB of flash
_MULTIPLIER = 6_364_136_223_846_793_005
_MASK = (1 << 64) - 1


class Flash:
    """The calls of `os` on the directory `root` that is the board's flash."""

    def __init__(self, rig, root, real_urandom):
        self._disk = rig.disk
        self._root = root
        self._real_urandom = real_urandom if rig.clock.is_live else None
        identity = f"{rig.job['node']} {rig.job['seed']} {rig.boot_count}"
        digest = hashlib.sha256(identity.encode()).digest()
        self._random = int.from_bytes(digest[:8], "little")

    def ilistdir(self, path="/"):
        """Yield (name, type, inode, size) in the order of the names."""
        entries = _entries(self._disk, self._place(path))
        return iter([(name, kind, 0, size) for name, kind, size in entries])

    def listdir(self, path="/"):
        """Return the names, sorted."""
        return [entry[0] for entry in _entries(self._disk, self._place(path))]

    def mkdir(self, path):
        """Make a directory."""
        self._disk.mkdir(self._place(path))

    def remove(self, path):
        """Remove a file."""
        self._disk.remove(self._place(path))

    def rmdir(self, path):
        """Remove an empty directory."""
        self._disk.rmdir(self._place(path))

    def rename(self, old_path, new_path):
        """Rename, replacing what was there."""
        self._disk.rename(self._place(old_path), self._place(new_path))

    def stat(self, path):
        """Return type and size in the usual tuple."""
        found = self._disk.stat(self._place(path))
        return (found[0] & 0xF000, 0, 0, 0, 0, 0, found[6], 0, 0, 0)

    def statvfs(self, path):
        """Return the size and the free space of the flash in the usual tuple."""
        free = max(0, BLOCK_COUNT - _blocks(self._disk, self._root))
        return (BLOCK_BYTES, BLOCK_BYTES, BLOCK_COUNT, free, free, 0, 0, 0, 0, 255)

    def chdir(self, path):
        """Only the root: the firmware uses whole paths."""
        if self._place(path) != self._root:
            raise OSError(2)

    def urandom(self, count):
        """Return `count` random bytes, from the seed in lockstep."""
        if self._real_urandom is not None:
            return self._real_urandom(count)
        data = bytearray(count)
        for index in range(count):
            self._random = (self._random * _MULTIPLIER + 1_442_695_040_888_963_407) & _MASK
            data[index] = self._random >> 56
        return bytes(data)

    def open(self, path, mode):
        """Open a file."""
        return self._disk.open(self._place(path), mode)

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
    """Return sorted (name, type, size) of a directory, size 0 for a directory."""
    found = []
    for entry in disk.ilistdir(path):
        name = entry[0]
        if name in (".", ".."):
            continue
        is_directory = entry[1] == 0x4000
        size = 0 if is_directory else disk.stat(path + "/" + name)[6]
        found.append((name, entry[1], size))
    return sorted(found)


def _blocks(disk, path):
    """Return how many flash blocks the tree under `path` takes."""
    count = 0
    for name, kind, size in _entries(disk, path):
        if kind == 0x4000:
            count += 2 + _blocks(disk, path + "/" + name)
        else:
            count += (size + BLOCK_BYTES - 1) // BLOCK_BYTES
    return count
