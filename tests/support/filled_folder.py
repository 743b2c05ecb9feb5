"""A data folder with what a host holds, its backup and restore, and kills in between."""

import os
import signal
from datetime import UTC, datetime

from PIL import Image

from idroserra.alarms.database import AlarmDatabase
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.core.config import load_config
from idroserra.core.page_settings import PageSettings
from idroserra.history.models import SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.journal.models import Author, Draft
from idroserra.journal.service import Journal
from idroserra.nodes.registry import Nodes
from support.samples import write_samples

NODE = "idro-a"
ADDRESS = "ntfys://ntfy.sh/s3cretTopic"
KEY = bytes(range(32))
ANNA = Author("session", "anna")
T0 = 1_795_507_200_000
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def config_of(folder):
    return load_config(None, {"site": "farm", "data_dir": str(folder)})


def photo_file(folder):
    path = folder / "journal-photos" / "upload.part"
    Image.new("RGB", (40, 30), "green").save(path, "JPEG")
    return path


def fill(folder, value=6.0):
    """Make what a host holds: a node with its key, a store, alarms, and files of other kinds."""
    nodes = Nodes(folder / "state.db", "farm")
    nodes.adopt(NODE, KEY)
    nodes.close()
    store = SqliteStore(folder / "store.db")
    write_samples(
        store, [SamplePoint(NODE, "reservoir.ph", T0 + i, value) for i in range(100)], [])
    store.close()
    AlarmDatabase(folder / "alarms.db").close()
    journal = Journal(folder, 1_000_000, lambda: T0)
    note = journal.add(Draft(NODE, "note", T0, f"{value}"), ANNA, "anna")
    journal.add_photo(note.id, photo_file(folder), ANNA, is_admin=False)
    journal.close()
    settings = PageSettings(folder)
    settings.put("recipients", "anna", {"url": ADDRESS, "language": "it"}, "anna", T0)
    settings.close()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text(f"{value}")
    (folder / "broker.key").write_bytes(b"secret")
    (folder / "lock").touch()


def back_up(folder, out, *, with_keys=True):
    return make_backup(config_of(folder), out, with_keys=with_keys, on_file=lambda *_: None)


def put_back(archive, folder):
    return restore(archive, folder, NOW, lambda _: None)


def killed_at(number, run):
    """Run in a child that dies by SIGKILL before its `number`th rename; True when it was."""
    child = os.fork()
    if child == 0:
        rename, count = os.replace, 0

        def replace(*names):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(*names)

        os.replace = replace
        try:
            run()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
