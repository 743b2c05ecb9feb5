"""TLS for the page on the site's network: host names, certificate and SSL context."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

from idroserra.core.config import LanConfig
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import own_names
from idroserra.pki.https_ca import HttpsCA

FOLDER = "lan"  # under data_dir

_log = logging.getLogger("idroserra")


class SiteHttps:
    """.names of the page, .context for its connections, .authority: the CA, or None with a
    certificate from another one."""

    def __init__(self, config: LanConfig, site: str, data_dir: Path) -> None:
        """Raises ConfigError naming the key or file."""
        self._config = config
        self.authority = None if config.cert_file else HttpsCA(data_dir / FOLDER, site)
        self.host, self.port = config.host, config.port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.names: tuple[str, ...] = ()
        self._renewal = threading.Lock()
        self.renew()

    @property
    def url(self) -> str:
        """The URL of the page with the first of its names."""
        name = f"[{self.names[0]}]" if ":" in self.names[0] else self.names[0]
        return f"https://{name}" + ("" if self.port == 443 else f":{self.port}")

    def renew(self) -> None:
        """Update names and certificate for new connections. Raises ConfigError."""
        with self._renewal:  # a second thread would read a new key beside an old certificate
            self._renew()

    def _renew(self) -> None:
        config = self._config
        if self.authority is None:
            if not config.names:
                raise ConfigError("lan", "names", "required with cert_file: the names in it")
            names = config.names
            files = (Path(str(config.cert_file)), Path(str(config.key_file)))
        else:
            names = tuple(own_names(config.names))
            if not names:
                raise ConfigError("lan", "names", "required: this machine has no host name and no "
                                  "private address")
            files = self.authority.server(names)
        try:
            self.context.load_cert_chain(*files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("lan", f"cert_file {files[0]}", str(error)) from error
        if names != self.names and self.names:
            _log.info("the names of the page are now %s", ", ".join(names))
        self.names = names
