"""A Modbus TCP server of foreign make (pymodbus) that plays a script and writes down every read it answers.

Usage: logging_modbus.py PLAN.json

PLAN.json: {"log": "reads.jsonl", "delay_ms": 15,
            "units": {"1": {"holding": {"0": 17}, "input": {}}},
            "script": [{"at_ms": 3000, "unit": 1, "table": "holding", "address": 0, "values": [1]},
                       {"at_ms": 5000, "unit": 3, "refuse": 4}, {"at_ms": 8000, "unit": 3, "refuse": null}]}
`at_ms` counts from the first question; `refuse` is the exception code with which the unit answers from then on.

It prints `listening PORT`. Each read is answered after `delay_ms` and becomes one line of the log:
    {"asked_us": …, "answered_us": …, "unit": 1, "table": "holding", "start": 0, "values": [17]}
with `"refused": code` in place of `values` for a refusal. Times are UTC microseconds; the script acts at
`answered_us`, so that a line holds what was true at its time. It ends with its standard input.
"""

import asyncio
import json
import logging
import sys
import time

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

FUNCTIONS = {3: "holding", 4: "input"}


def now_us():
    return time.time_ns() // 1000


class Plant:
    def __init__(self, plan, log):
        self.values = {
            int(unit): {t: {int(a): v for a, v in tables.get(t, {}).items()} for t in FUNCTIONS.values()}
            for unit, tables in plan["units"].items()
        }
        self.refusals = dict.fromkeys(self.values)
        self.script = sorted(plan["script"], key=lambda step: step["at_ms"])
        self.delay_s = plan["delay_ms"] / 1000
        self.log = log
        self.start_us = None

    def act(self, at_us):
        while self.script and self.start_us + self.script[0]["at_ms"] * 1000 <= at_us:
            step = self.script.pop(0)
            if "refuse" in step:
                self.refusals[step["unit"]] = step["refuse"]
            else:
                table = self.values[step["unit"]][step["table"]]
                table.update({step["address"] + n: value for n, value in enumerate(step["values"])})

    def device(self, unit):
        blocks = [[SimData(65535, values=False, datatype=DataType.BITS)] for _ in range(2)]
        for table in FUNCTIONS.values():
            cells = self.values[unit][table] or {65535: 0}
            blocks.append(
                [SimData(a, values=v, datatype=DataType.REGISTERS) for a, v in sorted(cells.items())]
            )

        async def read(function, start, address, count, registers, _new):
            asked_us = now_us()
            self.start_us = self.start_us or asked_us
            await asyncio.sleep(self.delay_s)
            answered_us = now_us()
            self.act(answered_us)
            line = {"asked_us": asked_us, "answered_us": answered_us, "unit": unit}
            line |= {"table": FUNCTIONS[function], "start": address}
            code = self.refusals[unit]
            if code is None:
                table = self.values[unit][FUNCTIONS[function]]
                line["values"] = [table.get(address + n, 0) for n in range(count)]
                registers[address - start : address - start + count] = line["values"]
            else:
                line["refused"] = code
            print(json.dumps(line), file=self.log, flush=True)
            return None if code is None else ExcCodes(code)

        return SimDevice(unit, simdata=tuple(blocks), action=read)


async def main():
    # Clients that end as they please are not worth a line.
    logging.disable()
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    with open(plan["log"], "a", encoding="utf-8") as log:
        plant = Plant(plan, log)
        server = ModbusTcpServer([plant.device(unit) for unit in plant.values], address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        print("listening", server.transport.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.shutdown()


asyncio.run(main())
