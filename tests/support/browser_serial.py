"""navigator.serial of a page under test, bridged over a socket to a virtual board on a pty."""

import os
import select
import threading
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

NEVER = 1 << 62
WITHOUT_SERIAL = "delete Navigator.prototype.serial;"
# A port where nothing answers.
SILENT_PORT = """
Object.defineProperty(navigator, "serial", {value: {
  getPorts: async () => [],
  requestPort: async () => ({
    getInfo: () => ({}), open: async () => {}, close: async () => {}, setSignals: async () => {},
    readable: new ReadableStream(), writable: new WritableStream(),
  }),
}});
"""
# A port as the Web Serial API has it. Its signals and rates are kept in window.serialLog.
_SHIM = """
(() => {
  const log = (window.serialLog = []);
  const lost = () => new DOMException("The device has been lost.", "NetworkError");
  let isChosen = false;
  class Port {
    getInfo() { return {usbVendorId: 0x10c4, usbProductId: 0xea60}; }
    async open({baudRate}) {
      log.push(["open", baudRate]);
      const socket = new WebSocket("ws://127.0.0.1:PORT");
      socket.binaryType = "arraybuffer";
      await new Promise((resolve, reject) => {
        socket.onmessage = resolve;
        socket.onclose = () => reject(lost());
      });
      this.socket = socket;
      this.readable = new ReadableStream({start(controller) {
        socket.onmessage = ({data}) => controller.enqueue(new Uint8Array(data));
        socket.onclose = () => controller.error(lost());
      }});
      this.writable = new WritableStream({write(bytes) {
        if (socket.readyState !== 1) throw lost();
        socket.send(bytes);
      }});
    }
    async setSignals({dataTerminalReady, requestToSend}) {
      log.push(["signals", dataTerminalReady, requestToSend]);
      if (this.socket?.readyState !== 1) throw lost();
    }
    async close() {
      if (!this.socket) throw new DOMException("The port is closed.", "InvalidStateError");
      const socket = this.socket;
      this.socket = this.readable = this.writable = null;
      if (socket.readyState > 1) return;
      await new Promise((resolve) => {
        socket.onclose = resolve;
        socket.close();
      });
    }
  }
  const port = new Port();
  Object.defineProperty(navigator, "serial", {value: {
    requestPort: async () => { isChosen = true; return port; },
    getPorts: async () => isChosen ? [port] : [],
  }});
})();
"""


class SerialBridge:
    """The USB plug of a browser."""

    def __init__(self):
        self.sent_bytes = 0  # to the board
        self._left_bytes = 0
        self._line = self._socket = None
        self._lock = threading.Lock()
        self._server = serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None,
                             open_timeout=60)
        self._threads = [threading.Thread(target=self._server.serve_forever, daemon=True)]
        self._threads[0].start()

    @property
    def script(self):
        """The script that gives a page this port."""
        return _SHIM.replace("PORT", str(self._server.socket.getsockname()[1]))

    def plug_in(self, board, until_bytes=NEVER):
        """Connect a board. The cable is pulled after `until_bytes` to it."""
        self._line = os.open(board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._left_bytes = until_bytes
        self._threads.append(threading.Thread(target=self._read, args=(self._line,), daemon=True))
        self._threads[-1].start()

    @property
    def is_pulled(self):
        """Whether no board is connected."""
        return self._left_bytes <= 0

    def pull(self):
        """Pull the cable now."""
        self._left_bytes = 0
        self._socket.close()

    def close(self):
        """Unplug, and stop serving."""
        self._left_bytes = 0
        self._server.shutdown()
        for thread in self._threads:
            thread.join(60)

    def _serve(self, socket):
        if self.is_pulled:
            return
        with self._lock:
            self._socket = socket
            socket.send("open")
        with suppress(ConnectionClosed, OSError):
            for data in socket:
                kept = data[:max(0, self._left_bytes)]
                while kept:
                    select.select([], [self._line], [], 60)
                    kept = kept[os.write(self._line, kept):]
                self.sent_bytes += len(data)
                self._left_bytes -= len(data)
                if self.is_pulled:
                    break

    def _read(self, line):
        """Pass on what the board says; it is lost while the browser has not opened the port."""
        while not self.is_pulled:
            if not select.select([line], [], [], 0.05)[0]:
                continue
            with suppress(ConnectionClosed, OSError), self._lock:
                data = os.read(line, 4_096)
                if self._socket is not None:
                    self._socket.send(data)
        os.close(line)
