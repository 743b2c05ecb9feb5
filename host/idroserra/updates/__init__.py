"""Updates over the air: releases, their keys, and how a fleet gets one (docs/update.md)."""
