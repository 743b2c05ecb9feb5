"""A peer as in tutorials: on_message of paho, a Point per message, the batching writer of
influxdb-client with its defaults: tutorial.py MQTT_PORT DATABASE_PORT"""

import json
import sys

import paho.mqtt.client as mqtt
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import WriteOptions


def main() -> None:
    """Run until terminated."""
    influx = InfluxDBClient(url=f"http://127.0.0.1:{sys.argv[2]}", token="x:x", org="-")  # noqa: S106
    write_api = influx.write_api(write_options=WriteOptions(batch_size=1_000))

    def on_connect(client, userdata, flags, reason):
        client.subscribe("idro/v1/+/up/telemetry", qos=1)

    def on_message(client, userdata, message):
        data = json.loads(message.payload)
        point = Point("sample_tutorial").tag("node", message.topic.split("/")[2])
        for name, value in data.items():
            if name != "unix_ms":
                point.field(name, float(value))
        point.time(data["unix_ms"], WritePrecision.MS)
        write_api.write(bucket="bench/autogen", record=point)

    client = mqtt.Client(client_id="tutorial", clean_session=False)  # paho 1, as mqttwarn needs
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_forever()


if __name__ == "__main__":
    main()
