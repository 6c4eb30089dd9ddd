"""A serial line with Modbus RTU devices, made of pymodbus at the end of a pair of pseudo-terminals, which shares
no code with the client under test. The line between the two can be late or noisy.

Usage: modbus_line_peer.py PLAN.json

PLAN.json: {"end": "serial", "units": {"1": {"holding": {"0": 17}}}, "timeout": 0.3}
"end" is "serial" for a device file, or "converter" for a TCP port that passes bytes on to the line and back, as
transparent converters do: whoever is connected when an answer comes gets it.

It prints `listening PATH` or `listening PORT`. Each line on standard input is a command, answered by `ok`:
    set UNIT TABLE ADDRESS VALUE...   change values
    mute UNIT / unmute UNIT           this device no longer answers, and does again
    think MS...                       the devices take so long before the next answers; pymodbus waits
    late MS...                        the line holds the next answers back for so long, in their order
    flip BIT...                       in the next answers this bit is wrong, counted from the first
    cut BYTES...                      of the next answers only so many bytes come
    say HEX                           these bytes come now
    hang up                           every connection of the converter is closed
    requests [UNIT]                   print `requests N`, the number of questions on the line so far, or to one unit
It ends with its standard input.
"""

import asyncio
import json
import os
import sys
import tty

from pymodbus.server import ModbusSerialServer

from modbus_peer import FUNCTIONS, Plant


class LatePlant(Plant):
    """Values, and how long the devices take."""

    def __init__(self, units):
        super().__init__(units)
        self.thinking = []

    def device(self, unit):
        device = super().device(unit)
        read = device.action

        async def slow(*question):
            if self.thinking:
                await asyncio.sleep(self.thinking.pop(0))
            return await read(*question)

        device.action = slow
        return device


class Line:
    """What lies between the master and pymodbus."""

    def __init__(self, device_side):
        self.device_side = device_side
        self.master_sides = set()
        self.late, self.flip, self.cut, self.mute = [], [], [], set()
        self.questions = []
        self.due = 0.0

    def asked(self, data):
        self.questions.append(data[0] if data else None)
        if self.questions[-1] in self.mute:
            return
        os.write(self.device_side, data)

    def answered(self):
        data = bytearray(os.read(self.device_side, 4096))
        if self.flip:
            bit = self.flip.pop(0) % (len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
        if self.cut:
            del data[self.cut.pop(0) :]
        loop = asyncio.get_running_loop()
        delay = self.late.pop(0) if self.late else 0.0
        # Devices answer in the order they were asked, and a line keeps it.
        self.due = max(loop.time() + delay, self.due)
        loop.call_at(self.due, self.say, bytes(data))

    def say(self, data):
        for write in list(self.master_sides):
            write(data)


def raw_pair():
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    return master, slave, os.ttyname(slave)


def serial_end(line):
    master, _slave, path = raw_pair()  # the slave stays open, so that the pair outlives its user
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: line.asked(os.read(master, 4096)))
    line.master_sides.add(lambda data: os.write(master, data))
    return path


async def converter_end(line, writers):
    async def connected(reader, writer):
        writers.add(writer)
        line.master_sides.add(writer.write)
        try:
            while data := await reader.read(4096):
                line.asked(data)
        except ConnectionError:
            pass
        line.master_sides.discard(writer.write)
        writers.discard(writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1], server


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    plant = LatePlant(plan["units"])
    master, _slave, path = raw_pair()
    line, writers, loop = Line(master), set(), asyncio.get_running_loop()
    loop.add_reader(master, line.answered)
    server = ModbusSerialServer(
        [plant.device(unit) for unit in plant.values], port=path, baudrate=9600, ignore_missing_devices=True
    )
    await server.serve_forever(background=True)
    if plan["end"] == "serial":
        place = serial_end(line)
    else:
        place, _listener = await converter_end(line, writers)
    print("listening", place, flush=True)
    seconds = lambda words: [float(word) / 1000 for word in words]
    while text := await loop.run_in_executor(None, sys.stdin.readline):
        command, *words = text.split()
        reply = "ok"
        if command == "set":
            unit, table, address, *new = words
            assert table in FUNCTIONS.values()
            for offset, value in enumerate(new):
                plant.values[int(unit)][table][int(address) + offset] = int(value)
        elif command == "mute":
            line.mute.add(int(words[0]))
        elif command == "unmute":
            line.mute.discard(int(words[0]))
        elif command == "think":
            plant.thinking += seconds(words)
        elif command == "late":
            line.late += seconds(words)
        elif command == "flip":
            line.flip += [int(word) for word in words]
        elif command == "cut":
            line.cut += [int(word) for word in words]
        elif command == "say":
            line.say(bytes.fromhex(words[0]))
        elif command == "hang":
            for writer in list(writers):
                writer.close()
        elif command == "requests":
            asked = line.questions
            reply = f"requests {asked.count(int(words[0])) if words else len(asked)}"
        print(reply, flush=True)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
