# One entry as files for openssl: python3 one.py INDEX PUBLIC_KEY_HEX
import pathlib, struct, sys
import cbor2
want, key = int(sys.argv[1]), bytes.fromhex(sys.argv[2])
tiles = pathlib.Path("data/log/tile/entries")
found = sorted(p for p in tiles.rglob("*") if p.is_file())[want // 256].read_bytes()
for _ in range(want % 256 + 1):
    (length,) = struct.unpack(">H", found[:2])
    entry, found = found[2 : 2 + length], found[2 + length :]
protected, _, payload, signature = cbor2.loads(entry).value
pathlib.Path("signed").write_bytes(cbor2.dumps(["Signature1", protected, b"", payload]))
pathlib.Path("signature").write_bytes(signature)
pathlib.Path("key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
