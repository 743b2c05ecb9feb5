"""The cache of release files: read on demand, the last few kept in memory."""

import pytest

from idroserra.image import build
from idroserra.updates.errors import BadRelease
from idroserra.updates.file_cache import MOST_BYTES, FileCache
from idroserra.updates.manifest import MOST_TOTAL_BYTES, File, Manifest


def kept(folder, name, size):
    """Return (file of a release, its bytes), written into `folder`."""
    data = name.encode() * (size // len(name))
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return File(name, len(data), build.sha256(data)), data


def of(shelf, folder, *files):
    return shelf.of(folder, Manifest("1.0", "esp32/nft", 2, 1, files))


def test_of_many_releases_the_last_files_are_held(tmp_path):
    shelf, releases = FileCache(), []
    for number in range(25):
        folder = tmp_path / str(number)
        file, data = kept(folder, f"{number}.mpy", MOST_TOTAL_BYTES)
        releases.append((of(shelf, folder, file), file.path, data))
    assert shelf.held_bytes == 0
    for content, path, data in releases + releases[::-1]:
        assert content[path] == data
        assert shelf.held_bytes <= MOST_BYTES
    assert dict(releases[0][0]) == {releases[0][1]: releases[0][2]}
    assert "other" not in releases[0][0]
    assert releases[0][0].get("other") is None


@pytest.mark.parametrize("what", ["changed", "cut", "gone"])
def test_a_changed_file_is_never_served(tmp_path, what):
    shelf = FileCache()
    file, data = kept(tmp_path, "a.mpy", 5_000)
    content, path = of(shelf, tmp_path, file), tmp_path / "a.mpy"
    if what == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] + b"?" if what == "changed" else data[:100])
    with pytest.raises(BadRelease, match="a.mpy: (changed since|No such file)"):
        content["a.mpy"]
    path.write_bytes(data)
    assert content["a.mpy"] == data
