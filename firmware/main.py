"""Runs after boot.py: starts the watchdog, then the application that the kernel selects."""

# Parts of the application, imported one after the other: all of them take longer than the
# watchdog waits. One that a release lacks is left out.
PARTS = (
    "protocol.settings", "protocol.messages", "safety.gate", "safety.ledger", "outbox.outbox",
    "net.publisher", "control.dosing", "app.dosing_cycle", "app.control_cycle",
    "app.ota.service", "app.network_task",
)


def run():
    """Run the application until it ends."""
    from idro.update import platform

    feed = platform.start_watchdog()
    platform.set_full_speed()

    from idro.update import boot_select  # the watchdog covers it

    def load_app():
        """Import the application from the selected slot; returns its main function."""
        for part in PARTS:
            feed()
            try:
                __import__("idro." + part)
            except ImportError as error:
                print("part not imported:", error)
        feed()
        from idro.app import node

        return node.main

    boot_select.start(feed, load_app)


try:
    run()
except KeyboardInterrupt as stop:
    from idro.update import console  # only then: it needs no heap before

    console.note_stop()
    raise stop
