"""TLS for the connection to the broker (MQTT 3.1.1, 5.4.8). Imported only on boards with TLS.

Mutual authentication: the node trusts one certificate authority, its site's, checks the broker's
name and presents its own certificate. Validity starts in 1970: a board may not know the time yet.
All in DER, ECDSA on P-256: an RSA private key does not fit.
"""

import gc
import ssl


class Tls:
    """Opens encrypted connections through idro.net.wifi; never falls back to plain ones."""

    def __init__(self, ca, key, certificate, open):
        """`certificate()` returns that of the next connection; `open(host, port, ssl)` opens the
        streams. None or a damaged file fails in open()."""
        self._ca = ca
        self._key = key
        self._certificate = certificate
        self._presented = None
        self._open = open
        self._context = None

    async def open(self, host, port):
        """Return (reader, writer). Raises LinkError or OSError.

        A refused certificate raises OSError at the first read or write.
        """
        certificate = self._certificate()
        if certificate is not self._presented:
            self._presented, self._context = certificate, None
        gc.collect()  # the buffers of TLS need 20 kB in one piece
        try:
            if self._context is None:
                self._context = _context(self._ca, certificate, self._key)
            _, writer = await self._open(host, port, self._context)
        except (ValueError, TypeError) as error:
            raise OSError(_why(error)) from None
        stream = _TlsStream(writer)
        return stream, stream


class _TlsStream:
    """A stream that raises OSError for a refused certificate, a ValueError in MicroPython."""

    def __init__(self, stream):
        self._stream = stream
        self.close = stream.close
        self.wait_closed = stream.wait_closed

    async def read(self, count):
        try:
            return await self._stream.read(count)
        except ValueError as error:
            raise OSError(_why(error)) from None

    def write(self, data):
        try:
            self._stream.write(data)
        except ValueError as error:
            raise OSError(_why(error)) from None

    async def drain(self):
        try:
            await self._stream.drain()
        except ValueError as error:
            raise OSError(_why(error)) from None


def _context(ca, certificate, key):
    if ca is None or certificate is None or key is None:
        raise ValueError("this board was given no certificate, or half of it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca)
    context.load_cert_chain(certificate, key)
    return context


def _why(error):
    return "tls: " + str(error).replace("\n", " ").strip()
