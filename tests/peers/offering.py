"""A plant of foreign make that counts up for the tests and keeps its own record of what it offered.

Usage: offering.py PLAN.json

PLAN.json: {"log": "offered.jsonl", "epoch_ms": 0, "every_ms": 100, "modbus": 5020, "serial": ["/dev/pts/7"]}
       or: {"log": "offered.jsonl", "epoch_ms": 0, "every_ms": 100, "opcua": 4840}
       or: {"log": "offered.jsonl", "epoch_ms": 0, "every_ms": 100, "mqtt": 1883}
       or: {"log": "offered.jsonl", "epoch_ms": 0, "every_ms": 100, "sparkplug": 1883}

The count at any moment is the number of whole `every_ms` since `epoch_ms`, so a restarted plant goes on where the
clock is. The first form serves it over Modbus TCP and, as RTU, on serial ports (unit 1, holding 0-1, high word first),
by pymodbus; the second over OPC UA (nsu=urn:plumbline:test:offering;s=Count), by asyncua, every count once; the third
publishes each count to the topic `count` with QoS 1, by paho-mqtt, and holds what a broker has not taken until it
does; the fourth is the edge node Offering of the group Test with the metric `count`, whose payloads Eclipse Tahu
encodes: ten counts a birth, by its alias in between, and nothing while there is no broker.
Prints `ready`. A line of the log, in the order of the offers: {"by": "opcua", "from_us": 0, "us": 0, "value": 0}. Nobody
could have the value before `from_us`; at `us` it was there for all: written, answered, taken by the broker.
It ends with its standard input.
"""

import asyncio
import json
import logging
import sys
import threading
import time

EVERY = "every_ms"


class Record:
    """The record of what was offered."""

    def __init__(self, plan):
        self.file = open(plan["log"], "a", encoding="utf-8")
        self.lock = threading.Lock()

    def add(self, by, from_us, value):
        line = {"by": by, "from_us": from_us, "us": now_us(), "value": value}
        with self.lock:
            print(json.dumps(line), file=self.file, flush=True)


def now_us():
    return time.time_ns() // 1000


def count(plan):
    return (now_us() // 1000 - plan["epoch_ms"]) // plan[EVERY]


def pause_s(plan, value):
    """Seconds until the count after `value`."""
    due_ms = plan["epoch_ms"] + (value + 1) * plan[EVERY]
    return max(0.0, due_ms / 1000 - now_us() / 1e6)


async def offer_modbus(plan, record):
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    def device(by):
        async def read(_function, start, address, length, registers, _new):
            from_us, value = now_us(), count(plan)
            words = [value >> 16 & 0xFFFF, value & 0xFFFF]
            for n in range(length):
                registers[address - start + n] = words[address + n]
            record.add(by, from_us, value)

        bits = [SimData(65535, values=False, datatype=DataType.BITS)]
        cells = [SimData(n, values=0, datatype=DataType.REGISTERS) for n in range(2)]
        none = [SimData(65535, values=0, datatype=DataType.REGISTERS)]
        return SimDevice(1, simdata=(bits, bits, cells, none), action=read)

    servers = [ModbusTcpServer([device("modbus")], address=("127.0.0.1", plan["modbus"]))]
    for path in plan["serial"]:
        servers.append(ModbusSerialServer([device("serial")], port=path, baudrate=9600))
    for server in servers:
        await server.serve_forever(background=True)
    return servers


async def offer_opcua(plan, record):
    from asyncua import Server, ua

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{plan['opcua']}/offering/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:plumbline:test:offering")
    value = count(plan)
    kind = ua.VariantType.UInt32
    node = ua.NodeId("Count", index)
    from_us = now_us()
    variable = await server.nodes.objects.add_variable(node, ua.QualifiedName("Count", index), value, kind)
    record.add("opcua", from_us, value)
    await server.start()

    async def go_on(value):
        while True:
            await asyncio.sleep(pause_s(plan, value))
            while value < count(plan):
                value += 1
                from_us = now_us()
                await server.write_attribute_value(variable.nodeid, ua.DataValue(ua.Variant(value, kind)))
                record.add("opcua", from_us, value)

    return asyncio.create_task(go_on(value))


async def serve(plan, record):
    serving = await (offer_modbus if "modbus" in plan else offer_opcua)(plan, record)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    del serving


def publish(plan, record):
    import paho.mqtt.client as mqtt

    waiting = {}
    lock = threading.Lock()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, client_id="offering", clean_session=False)
    client.max_inflight_messages_set(1)
    client.reconnect_delay_set(min_delay=1, max_delay=1)

    def taken(_client, _data, mid, *_):
        with lock:
            record.add("mqtt", *waiting.pop(mid))

    client.on_publish = taken
    client.connect("127.0.0.1", plan["mqtt"])
    client.loop_start()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    value = count(plan)
    while not ended.wait(pause_s(plan, value)):
        while value < count(plan):
            value += 1
            with lock:
                from_us = now_us()
                waiting[client.publish("count", str(value), qos=1).mid] = (from_us, value)
    client.loop_stop()


def be_a_node(plan, record):
    import paho.mqtt.client as mqtt
    import tahutils.tahu.sparkplug_b as tahu

    waiting = {}
    lock = threading.Lock()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, client_id="node")
    client.will_set("spBv1.0/Test/NDEATH/Offering", tahu.getNodeDeathPayload().SerializeToString(), qos=1)
    client.reconnect_delay_set(min_delay=1, max_delay=1)

    def sent(_client, _data, mid, *_):
        with lock:
            record.add("sparkplug", *waiting.pop(mid))

    client.on_publish = sent
    client.connect("127.0.0.1", plan["sparkplug"])
    client.loop_start()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    value, session = count(plan), 0
    while not ended.wait(pause_s(plan, value)):
        value = count(plan)
        if not client.is_connected():
            # The next session begins with a birth.
            session = 0
            continue
        is_birth = session % 10 == 0
        payload = tahu.getNodeBirthPayload() if is_birth else tahu.getDdataPayload()
        tahu.addMetric(payload, "count" if is_birth else None, 1, tahu.MetricDataType.UInt64, value)
        topic = f"spBv1.0/Test/{'NBIRTH' if is_birth else 'NDATA'}/Offering"
        with lock:
            from_us = now_us()
            message = client.publish(topic, payload.SerializeToString(), qos=0)
            if message.rc == mqtt.MQTT_ERR_SUCCESS:
                waiting[message.mid] = (from_us, value)
        session += 1
    client.loop_stop()


def main():
    logging.disable()
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    record = Record(plan)
    if "mqtt" in plan:
        publish(plan, record)
    elif "sparkplug" in plan:
        be_a_node(plan, record)
    else:
        asyncio.run(serve(plan, record))


main()
