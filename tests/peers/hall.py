"""Many devices of foreign make in one process.

Usage: hall.py OVER COUNT [PORT]

Each counts up ten a second since the start. OVER is
    modbus  (pymodbus)   each device on a port of its own, unit 1, holding 0-1 (u32, high word first)
    opcua   (asyncua)    one server with nsu=urn:plumbline:test:hall;s=d00 and so on, written twice a second
    mqtt    (paho-mqtt)  topics d00 and so on, published twice a second with QoS 1 to the broker on PORT
It prints `ready` with its ports, and ends with its standard input.
"""

import asyncio
import logging
import socket
import sys
import threading
import time

START = time.monotonic()
PAUSE_S = 0.5


def value():
    return int((time.monotonic() - START) * 10)


async def until_input_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def modbus(count):
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    async def read(_function, start, address, length, registers, _new):
        words = [value() >> 16 & 0xFFFF, value() & 0xFFFF]
        for n in range(length):
            registers[address - start + n] = words[address + n]

    def device():
        bits = [SimData(65535, values=False, datatype=DataType.BITS)]
        cells = [SimData(n, values=0, datatype=DataType.REGISTERS) for n in range(2)]
        none = [SimData(65535, values=0, datatype=DataType.REGISTERS)]
        return SimDevice(1, simdata=(bits, bits, cells, none), action=read)

    servers = [ModbusTcpServer([device()], address=("127.0.0.1", 0)) for _ in range(count)]
    for server in servers:
        await server.serve_forever(background=True)
    print("ready", *(s.transport.sockets[0].getsockname()[1] for s in servers), flush=True)
    await until_input_ends()


async def opcua(count):
    from asyncua import Server, ua

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/hall/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:plumbline:test:hall")
    nodes = [ua.NodeId(f"d{n:02}", index) for n in range(count)]
    for n, node in enumerate(nodes):
        await server.nodes.objects.add_variable(node, ua.QualifiedName(f"d{n:02}", index), value(), ua.VariantType.UInt32)

    async def go_on():
        while True:
            await asyncio.sleep(PAUSE_S)
            for node in nodes:
                await server.write_attribute_value(node, ua.DataValue(ua.Variant(value(), ua.VariantType.UInt32)))

    async with server:
        counting = asyncio.create_task(go_on())
        print("ready", port, flush=True)
        await until_input_ends()
        counting.cancel()


def mqtt(count, port):
    import paho.mqtt.client as paho

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", port, flush=True)
    while not ended.wait(PAUSE_S):
        for n in range(count):
            if client.is_connected():
                client.publish(f"d{n:02}", str(value()), qos=1)
    client.loop_stop()


def main():
    logging.disable()
    over, count = sys.argv[1], int(sys.argv[2])
    if over == "mqtt":
        mqtt(count, int(sys.argv[3]))
    else:
        asyncio.run({"modbus": modbus, "opcua": opcua}[over](count))


main()
