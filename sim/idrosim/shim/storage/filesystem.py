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
_READS = ("r", "rb", "rt")
_FOLDER = 0x4000


class Flash:
    """The calls of `os` on the directory `root` that is the board's flash."""

    def __init__(self, rig, root, real_urandom):
        self._disk = rig.disk
        self._root = root
        self._real_urandom = real_urandom if rig.clock.is_live else None
        identity = f"{rig.job['node']} {rig.job['seed']} {rig.boot_count}"
        digest = hashlib.sha256(identity.encode()).digest()
        self._random = int.from_bytes(digest[:8], "little")
        self._touched = set()  # folders of the root that may have changed in this boot
        self._counted = {}  # folder of the root: its blocks, as long as it is not touched

    def ilistdir(self, path="/"):
        """Yield (name, type, inode, size) in the order of the names."""
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
        """Rename, replacing what was there."""
        self._disk.rename(self._touch(old_path), self._touch(new_path))

    def stat(self, path):
        """Return type and size in the usual tuple."""
        found = self._disk.stat(self._place(path))
        return (found[0] & 0xF000, 0, 0, 0, 0, 0, found[6], 0, 0, 0)

    def statvfs(self, path):
        """Return the size and the free space of the flash in the usual tuple."""
        free = max(0, BLOCK_COUNT - self._blocks())
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
        return self._disk.open(self._place(path) if mode in _READS else self._touch(path), mode)

    def watched(self, real_open):
        """Return the built-in `real_open`, such that a folder that is written to is known."""
        def open(path, mode="r", **more):
            if mode not in _READS:
                self._touch(path)
            return real_open(path, mode, **more)

        return open

    def _blocks(self):
        """Return how many blocks are taken. A folder that nobody writes to is counted once."""
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
        """Return the place of what is about to be changed."""
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
    """Return sorted (name, type, size) of a directory, size 0 for a directory."""
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
    """Return how many flash blocks the tree under `path` takes."""
    count = 0
    for name, kind, size in _entries(disk, path):
        if kind == _FOLDER:
            count += 2 + _blocks(disk, path + "/" + name)
        else:
            count += (size + BLOCK_BYTES - 1) // BLOCK_BYTES
    return count
