"""Many Modbus TCP devices of foreign make (pymodbus) in one process, each on a port of its own.

Usage: hall.py COUNT

Each device has unit 1 and counts up in holding 0-1 (u32, high word first), ten a second since the start.
It prints `ready PORT PORT …` and ends with its standard input.
"""

import asyncio
import logging
import sys
import time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

START = time.monotonic()


async def read(_function, start, address, length, registers, _new):
    value = int((time.monotonic() - START) * 10)
    words = [value >> 16 & 0xFFFF, value & 0xFFFF]
    for n in range(length):
        registers[address - start + n] = words[address + n]


def device():
    bits = [SimData(65535, values=False, datatype=DataType.BITS)]
    cells = [SimData(n, values=0, datatype=DataType.REGISTERS) for n in range(2)]
    none = [SimData(65535, values=0, datatype=DataType.REGISTERS)]
    return SimDevice(1, simdata=(bits, bits, cells, none), action=read)


async def main():
    logging.disable()
    servers = [ModbusTcpServer([device()], address=("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
    for server in servers:
        await server.serve_forever(background=True)
    print("ready", *(s.transport.sockets[0].getsockname()[1] for s in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
