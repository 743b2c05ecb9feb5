"""Simulated `network` module with one station interface."""

from idrosim.shim.hardware.timers import block

ASSOCIATION_US = 1_800_000
SCAN_US = 2_000_000
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1_000, 1_001, 1_010
STAT_NO_AP_FOUND, STAT_BEACON_TIMEOUT = 201, 200
_RSSI_DBM = -61


class WLAN:
    """The station. It reconnects by itself, like the ESP32 driver."""

    IF_STA, IF_AP = 0, 1
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2
    _runtime = None
    _net = None  # has is_air_up
    _is_active = False
    _ssid = None
    _up_at_us = 0
    _settings = {}

    def __init__(self, interface_id=IF_STA):
        if interface_id not in (WLAN.IF_STA, WLAN.IF_AP):
            raise ValueError("no such interface")
        self._is_station = interface_id == WLAN.IF_STA

    def active(self, is_active=None):
        """Return or set whether the radio is on."""
        if is_active is None:
            return self._is_station and WLAN._is_active
        if self._is_station:
            WLAN._is_active = bool(is_active)
            if not is_active:
                WLAN._ssid = None
                if WLAN._net.state == "wifi_stuck":
                    WLAN._net.set("up")
        return None

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Start to associate. Raises OSError while an association is in progress."""
        if not self._is_station or not WLAN._is_active:
            raise OSError("Wifi Not Started")
        if WLAN._ssid is not None and not self.isconnected():
            raise OSError("Wifi Internal Error")
        if WLAN._net.state == "wifi_stuck":
            raise OSError("Wifi Internal Error")
        WLAN._ssid = ssid
        WLAN._up_at_us = WLAN._runtime.clock.now_us + ASSOCIATION_US

    def disconnect(self):
        """Disconnect from the network."""
        WLAN._ssid = None

    def isconnected(self):
        """Return True if the station has an address."""
        return self.status() == STAT_GOT_IP

    def status(self, param=None):
        """Return the state, or the signal strength in dBm for "rssi"."""
        if param == "rssi":
            return _RSSI_DBM
        if param is not None:
            raise ValueError("unknown status param")
        if not self._is_station or not WLAN._is_active or WLAN._ssid is None:
            return STAT_IDLE
        now_us = WLAN._runtime.clock.now_us
        if not WLAN._net.is_air_up:
            if WLAN._up_at_us <= now_us < WLAN._net.unnoticed_until_us:
                return STAT_GOT_IP  # missing beacons are not noticed yet
            WLAN._up_at_us = now_us + ASSOCIATION_US
            return WLAN._net.wifi_status or STAT_NO_AP_FOUND
        return STAT_GOT_IP if now_us >= WLAN._up_at_us else STAT_CONNECTING

    def scan(self):
        """Return (ssid, bssid, channel, RSSI, security, hidden) of each network in range."""
        block(SCAN_US)
        if not WLAN._net.is_air_up:
            return []
        return [(b"greenhouse", b"\x02\0\0\0\0\1", 6, _RSSI_DBM, 3, False)]

    def ifconfig(self, config=None):
        """Return (address, mask, gateway, name server)."""
        if not self.isconnected():
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
        return ("192.168.4.20", "255.255.255.0", "192.168.4.1", "192.168.4.1")

    def config(self, param=None, **settings):
        """Return the setting `param`, or change settings."""
        if param is None:
            for name, value in settings.items():
                self._set(name, value)
            return None
        if param == "mac":
            return b"\x02\0" + WLAN._runtime.job["node"].encode()[:4]
        if param in ("ssid", "essid"):
            return WLAN._ssid or ""
        if param not in WLAN._settings:
            raise ValueError("unknown config param")
        return WLAN._settings[param]

    def _set(self, name, value):
        """Change a setting. Raises the errors of the port (ports/esp32/network_wlan.c)."""
        if name not in WLAN._settings:
            raise ValueError("unknown config param")
        if name == "txpower":
            if not WLAN._is_active:
                raise OSError("Wifi Not Started")
            value = int(value * 4) / 4  # the radio counts quarters of a dBm
            if not 2 <= value <= 21:
                raise RuntimeError("Wifi Unknown Error 0x0102")
        WLAN._settings[name] = value


def functions(runtime, net):
    """Return the public names of `network`."""
    WLAN._runtime = runtime
    WLAN._net = net
    WLAN._settings = {
        "channel": 6, "hostname": "mpy-esp32", "reconnects": -1, "pm": 1, "txpower": 20.0}
    countries = ["XX"]

    def hostname(name=None):
        if name is None:
            return WLAN._settings["hostname"]
        WLAN._settings["hostname"] = name
        return None

    def country(code=None):
        if code is None:
            return countries[0]
        if len(code) != 2:
            raise ValueError
        countries[0] = code  # the ESP32 port only keeps it
        return None

    return {
        "WLAN": WLAN, "STA_IF": 0, "AP_IF": 1, "hostname": hostname, "country": country,
        "STAT_IDLE": STAT_IDLE, "STAT_CONNECTING": STAT_CONNECTING, "STAT_GOT_IP": STAT_GOT_IP,
        "STAT_NO_AP_FOUND": STAT_NO_AP_FOUND, "STAT_WRONG_PASSWORD": 202,
        "STAT_BEACON_TIMEOUT": STAT_BEACON_TIMEOUT, "STAT_ASSOC_FAIL": 203,
        "STAT_HANDSHAKE_TIMEOUT": 204, "STAT_CONNECT_FAIL": 203,
    }
