"""A process that is killed at any step of making a CA: the next start makes it or has it."""

import os
import signal
import sys

import pytest

from idroserra.broker.certificates import init_authority
from idroserra.core.errors import ConfigError
from idroserra.pki.broker_ca import BrokerCA
from idroserra.pki.https_ca import HttpsCA

STEPS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove")


def https(folder):
    return HttpsCA(folder, "serra").fingerprint


def broker(folder):
    return init_authority(folder, overwrite=False)[0].fingerprint


def killed_at(step, make, folder):
    """Make a CA in a process that is killed before a step in `folder`; False if it ended first."""
    child = os.fork()
    if child == 0:
        steps = iter(range(step))

        def on_event(event, args):
            if (event in STEPS and str(args[0]).startswith(str(folder))
                    and next(steps, None) is None):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(on_event)
        try:
            make(folder)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("make", "names"), [
    (https, {"authority.key", "authority.pem"}),
    (broker, {"ca.key", "ca.pem", "host.key", "host.pem", "revoked.pem"})])
def test_a_ca_whose_making_was_killed_is_made_by_the_next_start(tmp_path, make, names):
    step = 0
    while killed_at(step, make, folder := tmp_path / str(step) / "ca"):
        found = make(folder)
        assert make(folder) == found
        assert {path.name for path in folder.iterdir() if path.suffix != ".part"} == names
        step += 1
    assert step > 8


@pytest.mark.parametrize(("make", "names"), [
    (https, ("authority.key", "authority.pem")), (broker, ("ca.key", "ca.pem"))])
def test_a_key_or_certificate_that_is_lost_stays_an_error(tmp_path, make, names):
    make(tmp_path)
    for name in names:
        (tmp_path / name).rename(tmp_path.parent / "away")
        with pytest.raises(ConfigError):
            make(tmp_path)
        assert not (tmp_path / name).exists()
        (tmp_path.parent / "away").rename(tmp_path / name)


def test_a_ca_that_was_made_and_not_placed_is_not_made_twice(tmp_path):
    """Once both files are complete a phone or a board may have the certificate."""
    whole = BrokerCA.make(tmp_path).fingerprint
    (tmp_path / "ca.new").mkdir()
    (tmp_path / "ca.pem").rename(tmp_path / "ca.new" / "ca.pem")
    assert broker(tmp_path) == whole
    assert not (tmp_path / "ca.new").exists()
