"""Wi-Fi: the task that owns the WLAN, and the only importer of `network`.

It does not use the driver's reconnect, which repeats a wrong state for ever. Each attempt is
disconnect, 1 s, connect, deadline; after three failures in a row the radio is power-cycled.
"""

import asyncio

import network

from idro.errors import LinkError
from idro.net import dns_resolver

JOIN_MS = 25_000
STEP_MS = 500
WATCH_MS = 10_000
SETTLE_MS = 1_000
MIN_BACK_OFF_MS = 2_000
MAX_BACK_OFF_MS = 120_000
OPEN_MS = 9_000  # less than the deadline of the MQTT client
RADIO_CYCLE_AFTER = 3


class Wifi:
    """Joins one network and rejoins it. run() is the task; open() opens connections."""

    def __init__(self, ssid, password, clock, randint, tx_power_dbm=None, country=""):
        """`randint(low, high)` jitters the back-off. Without power and country: the defaults."""
        self._ssid = ssid
        self._password = password
        self._clock = clock
        self._randint = randint
        self._country = country
        self._tx_power_dbm = tx_power_dbm
        self._wlan = None  # created by run(): a radio failure must not stop the start-up
        self._up = asyncio.Event()
        self._addresses = {}  # host: its last resolved address
        self.on_alive = lambda: None  # called in every turn, at least once in a few minutes
        self.last_error = ""
        self.failures_count = 0  # failed attempts in a row

    @property
    def is_up(self):
        """True while the node has an address."""
        return self._up.is_set()

    def rssi_dbm(self):
        """Return the signal strength in dBm, or None while not connected."""
        if not self.is_up:
            return None
        try:
            return self._wlan.status("rssi")
        except (OSError, RuntimeError):
            return None

    async def run(self):
        """Join and rejoin, for ever."""
        back_off_ms = MIN_BACK_OFF_MS
        self._up.clear()
        if len(self._country) == 2:
            network.country(self._country)
        self._wlan = network.WLAN(network.WLAN.IF_STA)
        self._power(True)
        while True:
            self.on_alive()
            if await self._join():
                self.failures_count = 0
                back_off_ms = MIN_BACK_OFF_MS
                self._up.set()
                while self._wlan.isconnected():
                    self.on_alive()
                    await self._clock.sleep_ms(WATCH_MS)
                self._up.clear()
                self.last_error = "lost the network"
                continue
            self.failures_count += 1
            if self.failures_count % RADIO_CYCLE_AFTER == 0:
                await self._cycle_radio()
            half_ms = back_off_ms // 2
            await self._clock.sleep_ms(half_ms + self._randint(0, half_ms))
            back_off_ms = min(2 * back_off_ms, MAX_BACK_OFF_MS)

    async def open(self, host, port, ssl=None):
        """Return (reader, writer) of a connection. Waits up to OPEN_MS for the network.

        `ssl` is a context of idro.net.tls, None for a plain connection. Raises LinkError or
        OSError. Open streams do not prove a connection: see idro.net.mqtt_client.
        """
        if not self.is_up:
            try:
                await asyncio.wait_for(self._wait_up(), OPEN_MS / 1_000)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no such built-in)
                raise LinkError(f"wifi: not joined, {self.last_error}") from None
        address = await self._address_of(host)
        if ssl is None:
            return await asyncio.open_connection(address, port)
        return await asyncio.open_connection(address, port, ssl=ssl, server_hostname=host)

    async def _wait_up(self):
        await self._up.wait()

    async def _join(self):
        """Return True if the network was joined within the deadline."""
        try:
            self._wlan.disconnect()
            await self._clock.sleep_ms(SETTLE_MS)
            self._wlan.connect(self._ssid, self._password)
            deadline_ms = self._clock.now_ms() + JOIN_MS
            while not self._wlan.isconnected():
                if self._clock.now_ms() >= deadline_ms:
                    self.last_error = f"status {self._wlan.status()} after {JOIN_MS} ms"
                    return False
                await self._clock.sleep_ms(STEP_MS)
        except (OSError, RuntimeError) as error:
            self.last_error = f"{error!r}"
            return False
        return True

    async def _cycle_radio(self):
        self._power(False)
        await self._clock.sleep_ms(SETTLE_MS)
        self._power(True)

    def _power(self, is_on):
        try:
            self._wlan.active(is_on)
            if is_on:
                self._wlan.config(pm=network.WLAN.PM_NONE)  # latency before power
                if self._tx_power_dbm is not None:
                    self._wlan.config(txpower=self._tx_power_dbm)
        except (OSError, RuntimeError) as error:
            self.last_error = f"{error!r}"

    async def _address_of(self, host):
        """Return the IPv4 address of `host`, the last known one while the name server fails.

        Raises LinkError or OSError.
        """
        if dns_resolver.is_address(host):
            return host
        try:
            self._addresses[host] = await dns_resolver.resolve(host, self._wlan.ifconfig()[3])
        except ValueError as error:
            raise LinkError(f"broker: {error}") from None
        except OSError:
            if host not in self._addresses:
                raise
        return self._addresses[host]
