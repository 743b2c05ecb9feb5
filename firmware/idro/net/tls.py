"""TLS for the line to the broker (MQTT 3.1.1, 5.4.8). Loaded only where a board was given it.

The node trusts one authority, its site's, and asks for the broker's name in the certificate; it
shows a certificate of its own. A board has no clock here: the certificates begin in 1970. All of
it is DER, ECDSA on P-256: a private key of RSA does not fit.
"""

import gc
import ssl


class Tls:
    """Opens lines like idro.net.wifi, encrypted. There is no way back to a plain one."""

    def __init__(self, ca, certificate, key, open):
        """`open(host, port, ssl)` makes the streams. What is None or damaged opens nothing."""
        self._files = (ca, certificate, key)
        self._open = open
        self._context = None

    async def open(self, host, port):
        """Return (reader, writer). Raises LinkError or OSError; a certificate that is refused
        shows at the first read or write, as an OSError too."""
        gc.collect()  # the buffers of TLS want 20 kB in one piece
        try:
            if self._context is None:
                self._context = _context(*self._files)
            _, writer = await self._open(host, port, self._context)
        except (ValueError, TypeError) as error:
            raise OSError(_why(error)) from None
        line = _Line(writer)
        return line, line


class _Line:
    """A stream whose refusals of a certificate, a ValueError in MicroPython, are OSErrors."""

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
