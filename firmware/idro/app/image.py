"""Which firmware is this: a hash over the files of the flash, as the build step states it."""

import binascii
import hashlib
import json

_CHUNK_BYTES = 512


def image_sha256(root="/"):
    """Return the hash of the files that /manifest.json names, as they really are on the flash.

    Without a manifest it is "".

    SHA-256 over `path + "\\n" + hex SHA-256 of the file + "\\n"` in the order of the paths. A file
    that cannot be read counts as "missing", so the hash differs from the build's.
    """
    try:
        with open(root + "manifest.json") as file:
            paths = sorted(json.load(file)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    whole = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    for path in paths:
        whole.update(f"{path}\n{_file_sha256(root + path, buffer)}\n".encode())
    return str(binascii.hexlify(whole.digest()), "ascii")


def _file_sha256(path, buffer):
    view = memoryview(buffer)
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                digest.update(view[:count])
    except OSError:
        return "missing"
    return str(binascii.hexlify(digest.digest()), "ascii")
