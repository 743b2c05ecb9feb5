"""Which firmware is this: a hash over the files of the flash, as the build step states it."""

import binascii
import hashlib

_CHUNK_BYTES = 512


def image_sha256(root="/"):
    """Return the hash of the files that /manifest.json names, as they really are on the flash.

    Without a manifest it is "".

    SHA-256 over `path + "\\n" + hex SHA-256 of the file + "\\n"` in the order of the paths. A file
    that cannot be read counts as "missing", so the hash differs from the build's. The manifest
    has a line for each file, ascending; as a whole it would not fit beside a node.
    """
    whole = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    is_found = False
    try:
        with open(root + "manifest.json") as file:
            for line in file:
                words = line.split('"')
                if is_found and len(words) == 5:
                    path = words[1]
                    whole.update(f"{path}\n{_file_sha256(root + path, buffer)}\n".encode())
                elif is_found:
                    break
                is_found = is_found or (len(words) == 3 and words[1] == "files")
    except (OSError, ValueError):
        return ""
    return str(binascii.hexlify(whole.digest()), "ascii") if is_found else ""


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
