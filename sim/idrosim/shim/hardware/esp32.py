"""Simulated `esp32` module, whose NVS loses uncommitted changes at a reset."""

from idrosim.shim.hardware.pcnt import PCNT

ESP_ERR_NVS_NOT_FOUND = -0x1102
ESP_ERR_NVS_INVALID_LENGTH = -0x110C
MAX_NAME_CHARS = 15
# Capabilities of a region of the heap (esp_heap_caps.h of ESP-IDF); HEAP_PSRAM has no name here.
HEAP_DATA, HEAP_EXEC, HEAP_PSRAM = 4, 1, 1 << 10
# Of the modules that are simulated: WROVER, S2 mini, S3 N16R8.
PSRAM_BYTES = {"esp32": 4_194_304, "esp32s2": 2_097_152, "esp32s3": 8_388_608}
_KEY_DIGITS = {"key": 64, "update_key": 768, "update_spare": 768}


class NVS:
    """One namespace. The runtime holds committed values as {"key": int | hex text}."""

    _runtime = None

    def __init__(self, namespace):
        if not 0 < len(namespace) <= MAX_NAME_CHARS:
            raise OSError(-0x1105, "ESP_ERR_NVS_INVALID_NAME")
        self._committed = NVS._runtime.nvs.setdefault(namespace, {})
        self._pending = {}  # key: value, None if erased

    def set_i32(self, key, value):
        """Set a signed 32-bit number."""
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise OverflowError("overflow converting long int to machine word")
        self._put(key, value)

    def get_i32(self, key):
        """Return a number. Raises OSError."""
        value = self._get(key)
        if not isinstance(value, int):
            raise OSError(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def set_blob(self, key, value):
        """Set bytes."""
        data = value.encode() if isinstance(value, str) else bytes(value)
        self._put(key, "".join(f"{byte:02x}" for byte in data))

    def get_blob(self, key, buffer):
        """Copy bytes into `buffer`; return their number. Raises OSError."""
        value = self._get(key)
        if not isinstance(value, str):
            raise OSError(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        data = bytes.fromhex(value)
        if len(data) > len(buffer):
            raise OSError(ESP_ERR_NVS_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def erase_key(self, key):
        """Remove a key. Raises OSError."""
        self._get(key)
        self._put(key, None)

    def commit(self):
        """Make the changes durable."""
        cut = NVS._runtime.flash_faults.count_operation()
        pending = list(self._pending.items())
        if cut is not None:
            pending = pending[: int(len(pending) * cut[1])]
        for key, value in pending:
            if value is None:
                self._committed.pop(key, None)
            else:
                self._committed[key] = value
        self._pending = {}
        if cut is not None:
            NVS._runtime.flash_faults.cut_power(cut)
        if NVS._runtime.clock.is_live:
            NVS._runtime.save()  # a live node may be killed at any time

    def _put(self, key, value):
        if not 0 < len(key) <= MAX_NAME_CHARS:
            raise OSError(-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._pending[key] = value

    def _get(self, key):
        value = self._pending[key] if key in self._pending else self._committed.get(key)
        if value is None:
            raise OSError(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value


def provisioned(values):
    """Return the NVS content for the `nvs` of a job: int, text, or the hex digits of a key."""
    content = {}
    for name, value in values.items():
        is_key = isinstance(value, str) and len(value) == _KEY_DIGITS.get(name)
        if isinstance(value, str) and not is_key:
            value = "".join(f"{byte:02x}" for byte in value.encode())
        content[name] = value
    return content


def functions(runtime):
    """Return the public names of `esp32`."""
    NVS._runtime = PCNT._runtime = runtime

    psram_bytes = PSRAM_BYTES.get(runtime.job["board"]["chip"], 0)
    regions = [(HEAP_DATA | HEAP_EXEC, (113_840, 94_000, 53_000, 53_000))]
    if psram_bytes:
        free_bytes = psram_bytes - 300_000
        regions.append((HEAP_DATA | HEAP_PSRAM, (psram_bytes, free_bytes, free_bytes, free_bytes)))

    def idf_heap_info(capabilities):
        return [sizes for own, sizes in regions if own & capabilities == capabilities]

    def raw_temperature():
        return 113

    return {
        "NVS": NVS, "HEAP_DATA": HEAP_DATA, "HEAP_EXEC": HEAP_EXEC,
        "PCNT": PCNT, "idf_heap_info": idf_heap_info, "raw_temperature": raw_temperature}
