"""A publisher for the tests, made of paho-mqtt, which shares no code with the client under test.

Usage: mqtt_peer.py PLAN.json

PLAN.json: {"port": 1883, "user": null, "password": null, "ca": null}
It connects and prints `connected`. Each line on standard input is a JSON command, answered by `ok` once the
broker has acknowledged it:
    {"topic": "a", "payload": "1", "qos": 1, "retain": false, "times": 1, "size": 0}
`times` > 1 publishes payloads 0, 1, 2, …; `repeat` > 1 publishes the payload so often; `size` > 0 pads the
payload with that many spaces.
It ends with its standard input.
"""

import json
import sys

import paho.mqtt.client as mqtt


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.max_inflight_messages_set(100)
    if plan.get("user"):
        client.username_pw_set(plan["user"], plan.get("password"))
    if plan.get("ca"):
        client.tls_set(ca_certs=plan["ca"])
    client.on_connect = lambda *_: print("connected", flush=True)
    client.connect("127.0.0.1", plan["port"])
    client.loop_start()
    for line in sys.stdin:
        command = json.loads(line)
        times = command.get("times", 1)
        for n in range(max(times, command.get("repeat", 1))):
            payload = str(n) if times > 1 else command["payload"]
            payload += " " * command.get("size", 0)
            sent = client.publish(
                command["topic"], payload, qos=command.get("qos", 1), retain=command.get("retain", False)
            )
            sent.wait_for_publish(20)
        print("ok", flush=True)
    client.loop_stop()


main()
