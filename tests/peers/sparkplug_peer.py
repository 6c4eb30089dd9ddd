"""An edge node for the tests: payloads encoded by Eclipse Tahu (as packed by tahutils), published by paho-mqtt. It
shares no code with the program under test.

Usage: sparkplug_peer.py PLAN.json

PLAN.json: {"port": 1883, "group": "Plant", "node": "Line1", "bd_seq": 0}
It connects with its death as will, subscribes to everything, and prints `connected`. Each line on standard input is a
JSON command:
    {"send": "NBIRTH", "metrics": [METRIC, …]}            births, data and deaths, answered by `ok`
    {"send": "DDATA", "device": "Press3", "metrics": […]}
    {"send": "NBIRTH", "metrics": […], "retain": true}    against the rules, as some do
    {"skip": 3}                                           uses up sequence numbers without a message; `ok`
    {"heard": true}                                       everything others have published so far, as a JSON list
    {"await": "NCMD"}                                     the same, once such a message is among them
METRIC: {"name": "a", "alias": 1, "type": "Int32", "value": -12} and, where wanted, "timestamp", "historical", "null",
"quality". In data the name is left out where there is an alias. It ends with its standard input, without a goodbye.
"""

import json
import os
import sys
import threading

import paho.mqtt.client as mqtt
import tahutils.tahu.sparkplug_b as tahu

PATIENCE_S = 20


def add(payload, wanted, in_birth):
    kind = getattr(tahu.MetricDataType, wanted["type"])
    alias = wanted.get("alias")
    name = wanted.get("name") if in_birth or alias is None else None
    if wanted.get("null"):
        metric = tahu.addNullMetric(payload, name, alias, kind)
    else:
        metric = tahu.addMetric(payload, name, alias, kind, wanted["value"])
    if not in_birth:
        metric.ClearField("datatype")
    if "timestamp" in wanted:
        metric.timestamp = wanted["timestamp"]
    if wanted.get("historical"):
        metric.is_historical = True
    if "quality" in wanted:
        metric.properties.keys.append("Quality")
        quality = metric.properties.values.add()
        quality.type = tahu.MetricDataType.Int32
        quality.int_value = wanted["quality"]


class EdgeNode:
    def __init__(self, plan):
        self.group, self.node = plan["group"], plan["node"]
        self.own, self.heard, self.changed = [], [], threading.Condition()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        tahu.bdSeq = plan["bd_seq"]
        self.client.will_set(self.topic("NDEATH", None), self.bytes(tahu.getNodeDeathPayload()), qos=1)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 0)
        self.client.on_subscribe = lambda *_: print("connected", flush=True)
        self.client.on_message = self.listen
        self.client.connect("127.0.0.1", plan["port"])
        self.client.loop_start()

    @staticmethod
    def bytes(payload):
        return payload.SerializeToString()

    def topic(self, message, device):
        topic = f"spBv1.0/{self.group}/{message}/{self.node}"
        return f"{topic}/{device}" if device else topic

    def listen(self, _client, _userdata, message):
        with self.changed:
            if (message.topic, message.payload) in self.own:
                self.own.remove((message.topic, message.payload))
                return
            payload = tahu.Payload()
            payload.ParseFromString(message.payload)
            metrics = [[m.name, m.datatype, m.boolean_value] for m in payload.metrics]
            self.heard.append([message.topic, metrics])
            self.changed.notify_all()

    def send(self, message, device, wanted, retain):
        in_birth = message.endswith("BIRTH")
        if message == "NBIRTH":
            # Seen from Tahu a birth always has the number of the death before it.
            payload = tahu.getNodeBirthPayload()
        elif message == "NDEATH":
            payload = tahu.Payload()
            tahu.addMetric(payload, "bdSeq", None, tahu.MetricDataType.Int64, tahu.bdSeq - 1)
        else:
            payload = tahu.getDdataPayload()
        for metric in wanted:
            add(payload, metric, in_birth)
        topic, content = self.topic(message, device), self.bytes(payload)
        with self.changed:
            self.own.append((topic, content))
        self.client.publish(topic, content, qos=0, retain=retain).wait_for_publish(PATIENCE_S)

    def answer(self, command):
        if "send" in command:
            self.send(command["send"], command.get("device"), command.get("metrics", []), command.get("retain", False))
            return "ok"
        if "skip" in command:
            for _ in range(command["skip"]):
                tahu.getSeqNum()
            return "ok"
        with self.changed:
            awaited = command.get("await")
            if awaited:
                self.changed.wait_for(lambda: any(f"/{awaited}/" in t for t, _ in self.heard), PATIENCE_S)
            return json.dumps(self.heard)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        node = EdgeNode(json.load(file))
    for line in sys.stdin:
        print(node.answer(json.loads(line)), flush=True)
    # As a program that is killed ends: the broker publishes the will.
    os._exit(0)


main()
