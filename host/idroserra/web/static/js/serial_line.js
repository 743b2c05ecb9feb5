// The serial port of this browser as the far end of a line of the host.

const FIRST_BAUD = 115_200;
const BUFFER_BYTES = 65_536;
const MOST_MESSAGE_BYTES = 16_384;
const [LINE, FILE] = [0, 1];
const NATIVE = { usbVendorId: 0x303a, usbProductId: 0x1001 }; // USB-Serial-JTAG of the chip

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A chosen port and the WebSocket that carries its bytes. `onMessage(message)` gets what the host
 * asks and tells, `onEnd()` the end of the connection. */
export class SerialLine {
  constructor(port, { onMessage, onEnd }) {
    this.port = port;
    this.onMessage = onMessage;
    this.onEnd = onEnd;
    this.work = Promise.resolve(); // messages of the host, one after the other
    this.reader = null;
    this.isOver = false;
    this.over = new Promise((resolve) => {
      this.setOver = resolve;
    });
  }

  async open(url) {
    await this.openPort(FIRST_BAUD);
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      this.work = this.work.then(() => this.take(data)).catch(() => this.lose());
    };
    this.socket.onclose = () => this.work.then(() => this.end());
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Send the bytes of a file. */
  sendFile(bytes) {
    this.send({ t: "file" });
    this.sendBytes(FILE, bytes);
  }

  sendBytes(kind, bytes) {
    for (let at = 0; at < bytes.length && this.socket.readyState === WebSocket.OPEN; at += MOST_MESSAGE_BYTES) {
      const part = bytes.subarray(at, at + MOST_MESSAGE_BYTES);
      const message = new Uint8Array(part.length + 1);
      message[0] = kind;
      message.set(part, 1);
      this.socket.send(message);
    }
  }

  async take(data) {
    if (data instanceof ArrayBuffer) return this.write(new Uint8Array(data, 1));
    const message = JSON.parse(data);
    if (message.t === "baud") return this.reopen(message.baud);
    if (message.t === "reset") return this.reset(message.loader);
    return this.onMessage(message);
  }

  async write(bytes) {
    const writer = this.port.writable.getWriter();
    try {
      await writer.write(bytes);
    } finally {
      writer.releaseLock();
    }
  }

  /** Reset the chip into its boot loader, or into its program. */
  async reset(toLoader) {
    const { usbVendorId, usbProductId } = this.port.getInfo();
    const isNative = usbVendorId === NATIVE.usbVendorId && usbProductId === NATIVE.usbProductId;
    for (const [dataTerminalReady, requestToSend, ms] of sequence(toLoader, isNative)) {
      await this.port.setSignals({ dataTerminalReady, requestToSend });
      await pause(ms);
    }
    this.send({ t: "reset" });
  }

  async openPort(baudRate) {
    await this.port.open({ baudRate, bufferSize: BUFFER_BYTES });
    this.reading = this.read();
  }

  /** A Web Serial port has no other way to change its rate. */
  async reopen(baudRate) {
    await this.closePort();
    await this.openPort(baudRate);
  }

  async closePort() {
    this.isClosing = true;
    if (this.reader) await this.reader.cancel().catch(() => {});
    await this.reading;
    await this.port.close().catch(() => {});
    this.isClosing = false;
  }

  async read() {
    while (this.port.readable && !this.isClosing) {
      const reader = this.port.readable.getReader();
      this.reader = reader;
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) this.sendBytes(LINE, part.value);
      } catch (error) {
        if (error.name === "NetworkError") break; // after others, such as an overrun, there is a new stream
      } finally {
        reader.releaseLock();
      }
    }
    if (!this.isClosing) this.lose();
  }

  /** The cable is out: the host ends its work and says what that means. */
  lose() {
    if (!this.isOver) this.send({ t: "lost" });
  }

  async end() {
    if (this.isOver) return;
    this.isOver = true;
    await this.closePort();
    this.setOver();
    this.onEnd();
  }
}

/** Steps of a reset: DTR, RTS and a pause in ms. On boards with a USB bridge DTR pulls GPIO 0 and
 * RTS the reset, each only without the other (esptool's UnixTightReset); the chip's own USB
 * (USBJTAGSerialReset) reads the order of both. */
function sequence(toLoader, isNative) {
  if (!toLoader) return [[false, true, 200], [false, false, 200]];
  if (isNative) return [[false, false, 100], [true, false, 100], [true, true, 0], [false, true, 100], [false, false, 0]];
  return [[false, false, 0], [true, true, 0], [false, true, 100], [true, false, 50], [false, false, 0]];
}
