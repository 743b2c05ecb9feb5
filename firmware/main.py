"""Runs after boot.py: hand over to the node's composition root."""

from idro.app import node

node.main()
