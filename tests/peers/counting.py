"""A machine of foreign make that counts, and writes down each count before anybody can have it.

Usage: counting.py PLAN.json

PLAN.json: {"over": "modbus" | "modbus_rtu" | "modbus_serial" | "opcua" | "opcua_secured" | "mqtt" | "sparkplug",
            "log": "offered.jsonl", "from": 1, "every_ms": 50, "port": 0}

It has two points that share one counter, so that no number is ever offered twice or by both:
    modbus  (pymodbus)   units 1 and 2, holding 0-1 as u32, high word first; every read is given the next count;
                         modbus_rtu has RTU frames on the TCP connection; modbus_serial has them on a pair of
                         pseudo-terminals, to which a converter leads
    opcua   (asyncua)    nsu=urn:plumbline:test:counting;s=Count0 and Count1, each counting on every `every_ms`
                         opcua_secured takes only Basic256Sha256, signed and encrypted; its certificate lies beside
                         the plan as server-cert.der and stays the same
    mqtt    (paho-mqtt)  topics count/0 and count/1 as {"count": 7} with QoS 1, to the broker on `port`; while it has
                         no broker it offers nothing
    sparkplug (Eclipse Tahu) node Counting of the group Test with the metrics count/0 and count/1 as UInt64, by their
                         aliases in data; every tenth message is a birth, which has counts of its own
It prints `ready PORT`. A line of the log: {"us": 0, "point": 0, "value": 1}, written at UTC microsecond `us`, before
the value is offered. It ends with its standard input.
"""

import asyncio
import json
import logging
import pathlib
import socket
import sys
import threading
import time


class Counter:
    """Gives the next count to a point, and writes it down first."""

    def __init__(self, plan):
        self.value = plan["from"] - 1
        self.every_s = plan["every_ms"] / 1000
        self.log = open(plan["log"], "a", encoding="utf-8")

    def next(self, point):
        self.value += 1
        line = {"us": time.time_ns() // 1000, "point": point, "value": self.value}
        print(json.dumps(line), file=self.log, flush=True)
        return self.value


async def until_input_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def modbus(plan, counter):
    from pymodbus.framer import FramerType
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    def device(unit):
        async def read(_function, start, address, length, registers, _new):
            value = counter.next(unit - 1)
            words = [value >> 16 & 0xFFFF, value & 0xFFFF]
            for n in range(length):
                registers[address - start + n] = words[address + n]

        bits = [SimData(65535, values=False, datatype=DataType.BITS)]
        cells = [SimData(n, values=0, datatype=DataType.REGISTERS) for n in range(2)]
        none = [SimData(65535, values=0, datatype=DataType.REGISTERS)]
        return SimDevice(unit, simdata=(bits, bits, cells, none), action=read)

    devices = [device(1), device(2)]
    if plan["over"] == "modbus_serial":
        from modbus_line_peer import Line, converter_end, raw_pair

        master, _slave, path = raw_pair()
        line = Line(master)
        asyncio.get_running_loop().add_reader(master, line.answered)
        server = ModbusSerialServer(devices, port=path, baudrate=9600)
        await server.serve_forever(background=True)
        port, _listener = await converter_end(line, set())
    else:
        framer = FramerType.RTU if plan["over"] == "modbus_rtu" else FramerType.SOCKET
        server = ModbusTcpServer(devices, framer=framer, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
    print("ready", port, flush=True)
    await until_input_ends()
    await server.shutdown()


async def secured(server, folder):
    from asyncua import ua
    from asyncua.crypto.cert_gen import setup_self_signed_certificate
    from cryptography.x509.oid import ExtendedKeyUsageOID

    application = "urn:plumbline:test:counting-server"
    key, certificate = folder / "server-key.pem", folder / "server-cert.der"
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
    await setup_self_signed_certificate(key, certificate, application, "127.0.0.1", purposes, {"commonName": "Counting"})
    await server.set_application_uri(application)
    await server.load_certificate(str(certificate))
    await server.load_private_key(str(key))
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_identity_tokens([ua.AnonymousIdentityToken])


async def opcua(plan, counter):
    from asyncua import Server, ua

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/counting/")
    if plan["over"] == "opcua_secured":
        await secured(server, pathlib.Path(sys.argv[1]).parent)
    else:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:plumbline:test:counting")
    kind = ua.VariantType.UInt32
    nodes = [ua.NodeId(f"Count{point}", index) for point in range(2)]
    for point, node in enumerate(nodes):
        name = ua.QualifiedName(f"Count{point}", index)
        await server.nodes.objects.add_variable(node, name, counter.next(point), kind)

    async def go_on():
        while True:
            await asyncio.sleep(counter.every_s)
            for point, node in enumerate(nodes):
                await server.write_attribute_value(node, ua.DataValue(ua.Variant(counter.next(point), kind)))

    async with server:
        counting = asyncio.create_task(go_on())
        print("ready", port, flush=True)
        await until_input_ends()
        counting.cancel()


def mqtt(plan, counter):
    import paho.mqtt.client as paho

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect("127.0.0.1", plan["port"])
    client.loop_start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", plan["port"], flush=True)
    while not ended.wait(counter.every_s):
        for point in range(2):
            if client.is_connected():
                sent = client.publish(f"count/{point}", json.dumps({"count": counter.next(point)}), qos=1)
                # One at a time: a broker that hangs finds one message waiting, not a queue.
                while not sent.is_published() and client.is_connected() and not ended.is_set():
                    sent.wait_for_publish(0.1)
    client.loop_stop()


def sparkplug(plan, counter):
    import paho.mqtt.client as paho
    import tahutils.tahu.sparkplug_b as tahu

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.will_set("spBv1.0/Test/NDEATH/Counting", tahu.getNodeDeathPayload().SerializeToString(), qos=1)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect("127.0.0.1", plan["port"])
    client.loop_start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", plan["port"], flush=True)
    sent = 0
    while not ended.wait(counter.every_s):
        if not client.is_connected():
            # The next session begins with a birth.
            sent = 0
            continue
        is_birth = sent % 10 == 0
        payload = tahu.getNodeBirthPayload() if is_birth else tahu.getDdataPayload()
        for point in range(2):
            name = f"count/{point}" if is_birth else None
            tahu.addMetric(payload, name, point + 1, tahu.MetricDataType.UInt64, counter.next(point))
        message = "NBIRTH" if is_birth else "NDATA"
        client.publish(f"spBv1.0/Test/{message}/Counting", payload.SerializeToString(), qos=0)
        sent += 1
    client.loop_stop()


def main():
    logging.disable()
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    counter = Counter(plan)
    if plan["over"] in ("mqtt", "sparkplug"):
        {"mqtt": mqtt, "sparkplug": sparkplug}[plan["over"]](plan, counter)
    else:
        served = {"modbus": modbus, "modbus_rtu": modbus, "modbus_serial": modbus, "opcua": opcua, "opcua_secured": opcua}
        asyncio.run(served[plan["over"]](plan, counter))


main()
