"""The page on the network of the site, over TLS: its names, and its certificate."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from idroserra.core.config import LanConfig
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import own_names
from idroserra.pki.https_ca import HttpsCA

FOLDER = "lan"  # under data_dir

_log = logging.getLogger("idroserra")


class SiteHttps:
    """.names the page answers to, .context for its connections, .authority (None where the
    certificate is somebody else's)."""

    def __init__(self, config: LanConfig, site: str, data_dir: Path) -> None:
        """Raises ConfigError that names the key or file."""
        self._config = config
        self.authority = None if config.cert_file else HttpsCA(data_dir / FOLDER, site)
        self.host, self.port = config.host, config.port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.names: tuple[str, ...] = ()
        self.renew()

    @property
    def url(self) -> str:
        """The address to give people: the first of the names."""
        name = f"[{self.names[0]}]" if ":" in self.names[0] else self.names[0]
        return f"https://{name}" + ("" if self.port == 443 else f":{self.port}")

    def renew(self) -> None:
        """Look at names and certificate again; new connections get what is good now.

        Raises ConfigError."""
        config = self._config
        if self.authority is None:
            if not config.names:
                raise ConfigError("lan", "names", "needed beside cert_file: those it is for")
            names = config.names
            files = (Path(str(config.cert_file)), Path(str(config.key_file)))
        else:
            names = tuple(own_names(config.names))
            if not names:
                raise ConfigError("lan", "names", "this machine has no name and no private "
                                  "address now: say how people reach it")
            files = self.authority.server(names)
        try:
            self.context.load_cert_chain(*files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("lan", f"cert_file {files[0]}", str(error)) from error
        if names != self.names and self.names:
            _log.info("the page answers to %s now", ", ".join(names))
        self.names = names
