"""The English text of each code of a reason, of nodes and of the host."""

from idroserra.i18n.host_reason_texts import HOST_TEXTS
from idroserra.i18n.node_reason_texts import NODE_TEXTS, Table

TEXTS: Table = {**NODE_TEXTS, **HOST_TEXTS}
