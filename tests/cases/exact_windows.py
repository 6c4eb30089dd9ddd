#!/usr/bin/env python3
"""Computes windows from what a foreign Modbus server says it answered, and compares them with a bundle's.

    exact_windows.py bundle.zip reads.jsonl

No Plumbline code: the standard library and cbor2. The machines are those of tests/it/exact.rs:

    0 mill   unit 1  holding 0 execution, 1-2 parts, 3-4 energy in 0.01 kWh
             FAULT execution 3, PRODUCING 1, WAITING 2, IDLE otherwise
    1 press  unit 2  input 0-3 energy in Wh, 4 power in 0.1 kW
             OFF below 50 W, IDLE below 1.5 kW, PRODUCING from there; a change counts when it lasted a second
    2 oven   unit 3  holding 0-1 energy in Wh; IDLE whatever it says, UNKNOWN when it says nothing
    3 fan    unit 4  holding 0 parts; IDLE whatever it says

Everything counted or read is compared exactly. When an answer reached the agent, only the agent knows; this log
knows a moment before (the answer went out) and one after (the agent's next question came in, which it asks when it
has the answer). Milliseconds in a state are therefore compared exactly in windows without a transition, and within
these bounds where there is one. Exit code 1 and one line per difference when anything does not agree.
"""

import io
import json
import sys
import zipfile
from fractions import Fraction
from itertools import accumulate

import cbor2

POLL_MS = 500
# The agent's two clocks are read one after the other and cut to whole milliseconds.
CLOCK_MS = 2
DWELL_MS = 1000
UNKNOWN, OFF, FAULT, PRODUCING, WAITING, IDLE = 0, 1, 2, 5, 7, 8
NONE, REGISTER, BRIDGED, EVENT, MISSING = 0, 1, 2, 3, 5
NAMES = ("mill", "press", "oven", "fan")
# Points read with each unit's one question.
POINTS = {1: 3, 2: 2, 3: 1, 4: 1}

differences = []
seen = set()


def differ(text):
    differences.append(text)
    print("DIFFERENT", text)


def number(words):
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")


class Read:
    """One question and its answer; `stamp` bounds the agent's own time of it, ms."""

    def __init__(self, line, following):
        self.unit = line["unit"]
        self.at = line["answered_us"] / 1000
        after = following["asked_us"] / 1000 if following else self.at
        self.stamp = (self.at - CLOCK_MS, after + CLOCK_MS)
        values = line.get("values")
        self.values = None if values is None else self.points(values)

    def points(self, words):
        if self.unit == 1:
            return {"execution": words[0], "parts": number(words[1:3]), "energy": 10 * number(words[3:5])}
        if self.unit == 2:
            return {"energy": number(words[0:4]), "power": 100 * words[4]}
        return {"energy" if self.unit == 3 else "parts": number(words)}


def state(read):
    """The state that one answer means, dwell aside."""
    if read.values is None:
        return UNKNOWN
    if read.unit == 1:
        return {3: FAULT, 1: PRODUCING, 2: WAITING}.get(read.values["execution"], IDLE)
    if read.unit == 2:
        watts = read.values["power"]
        return OFF if watts < 50 else IDLE if watts < 1500 else PRODUCING
    return IDLE


def transitions(reads):
    """(bounds of the moment, state from there on); a power that does not last its dwell is passed over."""
    found = []
    for read in reads:
        if not found or found[-1][1] != state(read):
            found.append((read.stamp, state(read)))
    if reads[0].unit != 2:
        return found
    # The second bound of the first against the first of the second: what lasted less for certain did not count,
    # and the script of the test keeps clear of what nobody could tell.
    lasting = [
        this for this, that in zip(found, found[1:] + [None]) if that is None or that[0][1] - this[0][0] >= DWELL_MS
    ]
    return [this for before, this in zip([None] + lasting, lasting) if before is None or before[1] != this[1]]


def check_states(name, window, changes, cell):
    """Milliseconds in each state lie in their bounds; without a transition the bounds are equal."""
    start, end = window
    lower, upper, inside = [0] * 9, [0] * 9, 0
    for this, that in zip(changes, changes[1:] + [((end, end), None)]):
        first, last = this[0], that[0]
        earliest, latest = max(first[0], start), min(last[1], end)
        if latest <= earliest:
            continue
        inside += start < first[1] and first[0] < end
        upper[this[1]] += latest - earliest
        lower[this[1]] += max(0, min(last[0], end) - max(first[1], start))
    for leaf in range(9):
        low, high = (lower[leaf], upper[leaf]) if inside else (round(lower[leaf]), round(upper[leaf]))
        if not low <= cell(leaf) <= high:
            differ(f"{name} at {start}: {cell(leaf)} ms in state {leaf}, not {low} to {high}")
    if sum(cell(leaf) for leaf in range(9)) != end - start:
        differ(f"{name} at {start}: the states do not sum to the window")
    seen.add("transition" if inside else "no transition")
    seen.update(f"state {leaf}" for leaf in range(9) if cell(leaf))


class Register:
    """A cumulative register: what it shows at the end of a window, and of which quality that is."""

    def __init__(self, key):
        self.key, self.value, self.gap, self.broken, self.valid = key, None, False, False, False

    def take(self, read, events, column, machine):
        self.valid = read.values is not None
        if not self.valid:
            return
        value = read.values[self.key]
        if self.value is not None and value < self.value:
            self.broken = True
            events.append((machine, column, self.value, value))
        self.value = value

    def close(self):
        quality = EVENT if self.broken else MISSING if not self.valid else BRIDGED if self.gap else REGISTER
        self.gap, self.broken = not self.valid, False
        return self.value or 0, quality


def check_amount(name, start, register, value, quality, cell, columns):
    column = 10 if register.key == "energy" else 12
    got = cell(column) * Fraction(10) ** columns.get(column, (0, 0))[0]
    if (got, cell(column + 1)) != (value, quality):
        differ(f"{name} at {start}: {register.key} {got} of quality {cell(column + 1)}, not {value} of {quality}")
    seen.add(f"{register.key} of quality {quality}")


def check_power(start, reads, before, cell):
    """Peak exactly; the mean exactly when the power stood still."""
    readings = [before.values["power"]] + [read.values["power"] for read in reads]
    if cell(26) != max(readings):
        differ(f"press at {start}: peak {cell(26)} W, not {max(readings)}")
    if len(set(readings)) == 1:
        low = high = readings[0]
    else:
        cuts = [(start, start)] + [read.stamp for read in reads] + [(start + 1000, start + 1000)]
        low = sum(w * max(0, b[0] - a[1]) for w, a, b in zip(readings, cuts, cuts[1:])) / 1000 - 1
        high = sum(w * (b[1] - a[0]) for w, a, b in zip(readings, cuts, cuts[1:])) / 1000 + 1
    if not low <= cell(25) <= high:
        differ(f"press at {start}: mean {cell(25)} W, not {low} to {high}")


def check_machine(machine, reads, windows, logged_events):
    name, changes = NAMES[machine], transitions(reads)
    registers = {1: ["parts", "energy"], 2: ["energy"], 3: ["energy"], 4: ["parts"]}[machine + 1]
    registers = [Register(key) for key in registers]
    last, position, events, compared = {}, 0, [], 0
    before, faulty = None, False
    for start in sorted(windows):
        end, (columns, cell) = start + 1000, windows[start]
        inside = []
        while position < len(reads) and reads[position].at < end:
            inside.append(reads[position])
            position += 1
        changed, faults = 0, 0
        opening = before
        for read in inside:
            for register in registers:
                register.take(read, events, 10 if register.key == "energy" else 12, machine)
            for key, value in (read.values or {}).items():
                changed += key in last and last[key] != value
                last[key] = value
            faults += state(read) == FAULT and not faulty
            faulty = state(read) == FAULT
            before = read
        closed = [(register, *register.close()) for register in registers]
        if start < reads[0].at + 2000 or end > reads[-1].at - DWELL_MS:
            continue
        compared += 1
        check_states(name, (start, end), changes, cell)
        for register, value, quality in closed:
            check_amount(name, start, register, value, quality, cell, columns)
        good = sum(read.values is not None for read in inside)
        points = POINTS[machine + 1]
        exact = {16: points * len(inside), 17: points * good, 19: changed, 20: 1, 21: 0, 28: faults}
        for column, want in exact.items():
            if cell(column) != want:
                differ(f"{name} at {start}: column {column} is {cell(column)}, not {want}")
        # Connected while something heard may be believed; each machine's points are heard together.
        if cell(18) != 1000 - cell(UNKNOWN):
            differ(f"{name} at {start}: column 18 is {cell(18)}, not 1000 - {cell(UNKNOWN)}")
        if machine == 1:
            check_power(start, inside, opening, cell)
    got = [event for event in logged_events if event[0] == machine]
    if got != events:
        differ(f"{name}: counter events {got}, not {events}")
    seen.update("counter event" for _ in events)
    return compared


def read_reads(path):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    reads = [Read(line, following) for line, following in zip(lines, lines[1:] + [None])]
    units = {unit: [read for read in reads if read.unit == unit] for unit in POINTS}
    for unit, of_unit in units.items():
        for this, that in zip(of_unit, of_unit[1:]):
            # Nothing can be computed where a poll was left out or came so late that its window is not certain.
            if that.at - this.at >= 2 * POLL_MS - CLOCK_MS or that.at % POLL_MS > POLL_MS - 20:
                differ(f"unit {unit} was not asked in time at {that.at}")
    return units


def read_bundle(path):
    """Windows by start (UTC ms), each machine's columns, and counter events."""
    bundle = zipfile.ZipFile(path)
    windows, events = {}, []
    tiles = [name for name in bundle.namelist() if "/data/log/tile/entries/" in name]
    for name in sorted(tiles):
        tile = io.BytesIO(bundle.read(name))
        while length := tile.read(2):
            protected, _, payload, _ = cbor2.loads(tile.read(int.from_bytes(length, "big"))).value
            kind, body = cbor2.loads(protected)[3], cbor2.loads(payload)
            for event in body.get(11, []) if "window" in kind else body[6] if "event" in kind else []:
                if event[1] == 5:
                    events.append((event[2], event[3][0], event[3][1], event[4][1]))
            if "window" in kind:
                read_windows(body, windows)
    # An event's values are whole numbers in the exponent of its column.
    exponents = {c: e for columns, _ in windows.values() for c, (e, _) in columns[0].items()}
    return windows, [(m, c, a * 10 ** exponents[c], b * 10 ** exponents[c]) for m, c, a, b in events]


def read_windows(body, windows):
    t0, step, n = body[5]
    machines, coded = body[8]
    columns = {column: (exponent, expand(coding, values)) for column, (coding, exponent, values) in coded.items()}
    for window in range(n):
        cells = {}
        for position, machine in enumerate(machines):
            at = position * n + window
            cells[machine] = {column: values[at] for column, (_, values) in columns.items()}
        windows[(t0 + step * window) * 1000] = ({m: columns for m in machines} | {0: columns}, cells)


def expand(coding, values):
    if coding == 3:
        return [value for value, times in zip(values[::2], values[1::2]) for _ in range(times)]
    if coding == 2:
        return list(accumulate(values[:1] + list(accumulate(values[1:]))))
    return list(accumulate(values)) if coding == 1 else values


def main():
    windows, events = read_bundle(sys.argv[1])
    units = read_reads(sys.argv[2])
    for machine in range(4):
        of_machine = {
            start: (columns[machine], lambda column, cell=cells[machine]: cell.get(column, 0))
            for start, (columns, cells) in windows.items()
        }
        compared = check_machine(machine, units[machine + 1], of_machine, events)
        print(f"{NAMES[machine]}: {compared} windows compared")
        if compared < 12:
            differ(f"only {compared} windows of {NAMES[machine]} could be compared")
    # A run that never showed what is to be compared proves nothing.
    wanted = {"transition", "no transition", "counter event"}
    wanted |= {f"state {leaf}" for leaf in (UNKNOWN, OFF, FAULT, PRODUCING, WAITING, IDLE)}
    wanted |= {f"energy of quality {quality}" for quality in (REGISTER, BRIDGED, MISSING)}
    wanted |= {f"parts of quality {quality}" for quality in (REGISTER, EVENT)}
    for missing in sorted(wanted - seen):
        differ(f"never seen: {missing}")
    print(f"{len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
