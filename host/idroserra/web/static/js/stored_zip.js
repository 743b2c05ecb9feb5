// Packs files into an uncompressed ZIP, as the host takes a release. Without DOM.

const CRC = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CRC[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** Little-endian bytes of [size, value] pairs. */
function packed(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

const NEEDED = 20; // version of the format
const DATE_1980 = 0x21;

/** The parts of a ZIP of [name, bytes] pairs, for a Blob. */
export function storedZip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const text = new TextEncoder().encode(name);
    const common = [[2, NEEDED], [2, 0], [2, 0], [2, 0], [2, DATE_1980], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, text.length], [2, 0]];
    const head = packed([4, 0x04034b50], ...common);
    directory.push(packed([4, 0x02014b50], [2, NEEDED], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), text);
    parts.push(head, text, bytes);
    offset += head.length + text.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  return [...parts, ...directory, packed([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0])];
}
