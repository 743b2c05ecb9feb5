"""Static files of the page: compressed or as they are, and kept by browsers."""

import re

import pytest

from idroserra.web.static_files import FOR_EVER, STATIC


@pytest.mark.parametrize("name", ["js/chart.js", "css/base.css", "icon.svg", "worker.js"])
def test_a_file_is_the_same_compressed_and_as_it_is(host, name):
    folder = re.search(r"/static/\w+", host.client.get("/login").text)[0]
    content = (STATIC / name).read_bytes()
    for coding in ("gzip", "identity"):
        for _ in range(2):
            answer = host.client.get(f"{folder}/{name}", headers={"Accept-Encoding": coding})
            assert answer.content == content
            assert answer.headers["Cache-Control"] == FOR_EVER
            is_large = len(content) >= 2_000
            assert ("Content-Encoding" in answer.headers) == (is_large and coding == "gzip")
    part = host.client.get(f"{folder}/{name}", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, content[3:10])
    kept = {"If-None-Match": answer.headers["ETag"]}
    assert host.client.get(f"{folder}/{name}", headers=kept).status_code == 304
    assert host.client.head(f"{folder}/{name}").status_code == 200
