"""Over-the-air updates: releases, their keys, and roll-outs to a fleet (docs/update.md)."""
