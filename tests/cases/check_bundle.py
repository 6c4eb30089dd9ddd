#!/usr/bin/env python3
"""Checks a Plumbline bundle without any Plumbline code: Python, cbor2 and cryptography only.

    check_bundle.py bundle.zip trust.toml [verify.json]

From the raw bytes of the bundle it recomputes: the manifest, the checkpoint's signature, every entry's leaf hash
and the root, every statement's signature and its place in its stream, the tiling of each stream's time by
windows and downs, the sum of the states of every machine and window, and every machine's power-on rate and
availability in the trust file's period (all of the log without one), under the calendar that never rests.
With verify.json, both are compared with what plumbline-verify printed. Exit code 1 and one line per defect
when anything does not hold. Not its business: whether a mapping was approved, lateness, plausibility, SM2 keys.
Written from protocols/evidence/SPEC.md alone.
"""

import base64
import hashlib
import io
import json
import sys
import tomllib
import zipfile
from fractions import Fraction
from itertools import accumulate

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WINDOW = "application/vnd.plumbline.window+cbor"
EVENT = "application/vnd.plumbline.event+cbor"
GENESIS = "application/vnd.plumbline.genesis+cbor"
KEY = "application/vnd.plumbline.key+cbor"
DOWN, LOSS = 3, 7
UNKNOWN, OFF, PRODUCING = 0, 1, 5

defects = []


def defect(text):
    defects.append(text)
    print("DEFECT", text)


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(leaves):
    """The Merkle tree hash of RFC 6962, section 2.1, over leaf hashes, by a stack of perfect subtrees."""
    if not leaves:
        return sha256(b"")
    stack = []
    for leaf in leaves:
        height = 0
        while stack and stack[-1][0] == height:
            leaf = sha256(b"\x01" + stack.pop()[1] + leaf)
            height += 1
        stack.append((height, leaf))
    root = stack.pop()[1]
    while stack:
        root = sha256(b"\x01" + stack.pop()[1] + root)
    return root


def check_manifest(bundle):
    top = bundle.namelist()[0].split("/")[0]
    files = {}
    for entry in bundle.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            defect(f"{entry.filename} is compressed")
        files[entry.filename.removeprefix(top + "/")] = bundle.read(entry)
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in files[manifest].decode().splitlines():
            digest, path = line.split(maxsplit=1)
            if hashlib.sha256(files.get(path, b"")).hexdigest() != digest:
                defect(f"{path} does not match {manifest}")
    listed = {line.split(maxsplit=1)[1] for line in files["manifest-sha256.txt"].decode().splitlines()}
    for path in files:
        if path.startswith("data/") and path not in listed:
            defect(f"{path} is not listed in the manifest")
    return files


def check_note(note, vkey):
    """Verifies a C2SP signed note with one Ed25519 key; gives (origin, size, root)."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    name, key_hash, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    if key[0] != 1 or sha256(name.encode() + b"\n" + key)[:4].hex() != key_hash:
        defect("the log key of the trust file is malformed")
    for line in signatures.splitlines():
        _, signer, blob = line.split(" ")
        blob = base64.b64decode(blob)
        if signer == name and blob[:4].hex() == key_hash:
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob[4:], text.encode())
                break
            except InvalidSignature:
                defect("the checkpoint's signature is wrong")
    else:
        defect("the checkpoint carries no signature of the trusted log key")
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), base64.b64decode(root)


def tile_paths(size):
    """Paths and widths of the entries tiles of a tree of this size, in order (C2SP tlog-tiles)."""
    for n in range((size + 255) // 256):
        width = min(256, size - 256 * n)
        digits = f"{n:0{(len(str(n)) + 2) // 3 * 3}d}"
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        path = "/".join(["x" + g for g in groups[:-1]] + [groups[-1]])
        yield "data/log/tile/entries/" + path + ("" if width == 256 else f".p/{width}"), width


def read_entries(files, size):
    entries = []
    for path, width in tile_paths(size):
        tile = io.BytesIO(files[path])
        for _ in range(width):
            length = int.from_bytes(tile.read(2), "big")
            entries.append(tile.read(length))
        if tile.read(1):
            defect(f"{path} has bytes behind its last entry")
    return entries


def thumbprint(key):
    """RFC 9679, section 3: SHA-256 of the deterministic CBOR of the key's required members."""
    return sha256(cbor2.dumps({1: 1, -1: 6, -2: key}))


def decode_column(coded, count):
    coding, exponent, numbers = coded
    if coding == 3:
        values = [value for value, times in zip(numbers[::2], numbers[1::2]) for _ in range(times)]
    elif coding == 2:
        values = list(accumulate(numbers[:1] + list(accumulate(numbers[1:]))))
    elif coding == 1:
        values = list(accumulate(numbers))
    else:
        values = list(numbers)
    if len(values) != count:
        defect(f"a column holds {len(values)} values instead of {count}")
    return exponent, values


def main():
    bundle_path, trust_path = sys.argv[1:3]
    with open(trust_path, "rb") as file:
        trust = tomllib.load(file)
    try:
        files = check_manifest(zipfile.ZipFile(bundle_path))
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        defect(f"{bundle_path} cannot be read as a bundle: {error}")
        return 1
    _, size, root = check_note(files["data/log/checkpoint"].decode(), trust["log"])
    entries = read_entries(files, size)
    leaves = [sha256(b"\x00" + entry) for entry in entries]
    if root_of(leaves) != root:
        defect("the entries do not give the checkpoint's root")

    keys = {thumbprint(bytes.fromhex(trust["registrar"])): bytes.fromhex(trust["registrar"])}
    streams, time, sums, genesis = {}, {}, {}, None
    for index, entry in enumerate(entries):
        message = cbor2.loads(entry)
        protected, unprotected, payload, signature = message.value
        header, body = cbor2.loads(protected), cbor2.loads(payload)
        kid, kind = header[4], header[3]
        if message.tag != 18 or unprotected != {}:
            defect(f"entry {index} is no plain COSE_Sign1")
        if kid not in keys:
            defect(f"entry {index} is signed by a key nobody enrolled")
            continue
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        try:
            Ed25519PublicKey.from_public_bytes(keys[kid]).verify(signature, signed)
        except InvalidSignature:
            defect(f"the signature of entry {index} is wrong")
        if kind == GENESIS:
            genesis = body
            for key, _alg, _role, _id in body[7]:
                keys[thumbprint(key)] = key
            sequence, previous = 0, None
        else:
            sequence, previous = body[2], body[3]
            if kind == KEY and body[6] is not None:
                keys[thumbprint(body[6][0])] = body[6][0]
        expected, head = streams.get(kid, (0, None))
        if (sequence, previous) != (expected, head):
            defect(f"entry {index} does not continue its stream: seq {sequence}, expected {expected}")
        streams[kid] = (sequence + 1, leaves[index])
        for at, code, _machine, before, after in body.get(11, []) if kind == WINDOW else body[6] if kind == EVENT else []:
            if code in (DOWN, LOSS):
                time.setdefault(kid, []).append((before, after))
        if kind == WINDOW:
            window_sums(index, kid, body, time, sums, trust.get("period"))

    if genesis is None:
        defect("the log has no genesis")
        return finish(entries, sums)
    check_time(time)
    names = {machine[1]: machine[2] for machine in genesis[8]}
    rates = {names[m]: kpis_of(states) for m, states in sorted(sums.items())}
    for machine, kpis in rates.items():
        for kpi, (lower, upper) in kpis.items():
            print(f"{kpi} of {machine}: {float(lower):.4%} .. {float(upper):.4%}")
    if len(sys.argv) > 3:
        compare(rates, sys.argv[3])
    return finish(entries, sums)


def window_sums(index, kid, body, time, sums, period):
    t0, step, n = body[5]
    machines, columns = body[8]
    time.setdefault(kid, []).append((t0 * 1000, (t0 + step * n) * 1000))
    states = {}
    for column in range(9):
        if column in columns:
            exponent, states[column] = decode_column(columns[column], len(machines) * n)
            if exponent != 0:
                defect(f"entry {index}: column {column} has an exponent")
    for position, machine in enumerate(machines):
        totals = sums.setdefault(machine, [0] * 9)
        for window in range(n):
            cell = position * n + window
            parts = [states[c][cell] if c in states else 0 for c in range(9)]
            if sum(parts) != step * 1000:
                defect(f"entry {index}: the states of machine {machine}, window {window}, sum to {sum(parts)} ms")
            start = t0 + step * window
            if period is None or period[0] <= start < period[1]:
                for state, ms in enumerate(parts):
                    totals[state] += ms


def check_time(time):
    """Windows and downs together must tile the time of a stream: no gap, no overlap."""
    for kid, spans in time.items():
        spans.sort()
        for (_, end), (start, _) in zip(spans, spans[1:]):
            if start != end:
                defect(f"stream {kid.hex()[:8]}: time jumps from {end} to {start}")


def kpis_of(states):
    """Each KPI as (lower, upper): unknown time counts only towards the upper bound."""
    total = sum(states)
    if total == 0:
        return {}
    on = total - states[UNKNOWN] - states[OFF]
    counted = {"cn.power_on_rate": on, "iso.availability": states[PRODUCING]}
    return {k: (Fraction(ms, total), Fraction(ms + states[UNKNOWN], total)) for k, ms in counted.items()}


def compare(rates, path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    wanted = {(machine, kpi) for machine, kpis in rates.items() for kpi in kpis}
    compared = set()
    for kpi in (kpi for table in report["figures"]["tables"] for kpi in table["kpis"]):
        key = (kpi["machines"][0], kpi["id"]) if len(kpi["machines"]) == 1 else None
        if key in wanted:
            claimed = tuple(Fraction(kpi["value"][bound]) for bound in ("lower", "upper"))
            if claimed != rates[key[0]][key[1]]:
                defect(f"{key[1]} of {key[0]}: the report says {claimed}, the statements say {rates[key[0]][key[1]]}")
            compared.add(key)
    for machine, kpi in sorted(wanted - compared):
        defect(f"the report holds no {kpi} of {machine}")


def finish(entries, sums):
    print(f"{len(entries)} entries, {len(sums)} machines, {len(defects)} defects")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
