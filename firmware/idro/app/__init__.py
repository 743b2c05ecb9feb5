"""The application: control tasks, commands, settings, and the composition root `node`."""
