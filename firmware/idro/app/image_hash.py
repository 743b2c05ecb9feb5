"""The hash over the application's files on flash, computed as the image build does."""

import binascii
import hashlib

_CHUNK_BYTES = 512


def image_sha256(root="/"):
    """Return the hash of the files listed in /manifest.json, or "" without a manifest.

    It is the SHA-256 over `path + "\\n" + hex SHA-256 of the file + "\\n"` by ascending path. A
    file that cannot be read counts as "missing". The manifest lists one file a line and is read by
    lines: as a whole it would not fit the heap.
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
