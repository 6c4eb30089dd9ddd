"""A Modbus TCP server for the tests, made of pymodbus, which shares no code with the client under test.

Usage: modbus_peer.py PLAN.json

PLAN.json: {"port": 0, "units": {"1": {"holding": {"0": 17}, "input": {}, "coil": {"3": 1}, "discrete": {}}}}
Each table holds address: value for the addresses that exist; all others are refused with exception 2.

It prints `listening PORT`. Each line on standard input is a command, answered by `ok` on standard output:
    set UNIT TABLE ADDRESS VALUE...   change values
    requests                          print `requests N`, the number of reads answered so far
It ends with its standard input.
"""

import asyncio
import json
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

TABLES = ("coil", "discrete", "holding", "input")
FUNCTIONS = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Plant:
    """The values, and how often they were read."""

    def __init__(self, units):
        self.values = {
            int(unit): {t: {int(a): v for a, v in tables.get(t, {}).items()} for t in TABLES}
            for unit, tables in units.items()
        }
        self.reads = 0

    def device(self, unit):
        blocks = []
        for table in TABLES:
            bits = table in ("coil", "discrete")
            cells = self.values[unit][table] or {65535: 0}
            blocks.append(
                [
                    SimData(
                        address,
                        values=[bool(value)] if bits else value,
                        datatype=DataType.BITS if bits else DataType.REGISTERS,
                    )
                    for address, value in sorted(cells.items())
                ]
            )

        async def read(function, start, address, count, registers, _new):
            self.reads += 1
            table = self.values[unit][FUNCTIONS[function]]
            if function in (1, 2):  # here pymodbus counts in words of 16 bits, the lowest first
                for word in range(len(registers)):
                    bits = (table.get((start + word) * 16 + bit, 0) << bit for bit in range(16))
                    registers[word] = sum(bits)
                return
            for offset in range(count):
                if address + offset in table:
                    registers[address - start + offset] = table[address + offset]

        return SimDevice(unit, simdata=tuple(blocks), action=read)


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    plant = Plant(plan["units"])
    server = ModbusTcpServer(
        [plant.device(unit) for unit in plant.values], address=("127.0.0.1", plan.get("port", 0))
    )
    await server.serve_forever(background=True)
    print("listening", server.transport.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *words = line.split()
        if command == "set":
            unit, table, address, *new = words
            for offset, value in enumerate(new):
                plant.values[int(unit)][table][int(address) + offset] = int(value)
            print("ok", flush=True)
        elif command == "requests":
            print("requests", plant.reads, flush=True)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
