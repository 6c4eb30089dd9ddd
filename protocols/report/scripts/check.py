# pip install cbor2 cryptography
import base64, hashlib, pathlib, struct
import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

REGISTRAR = "@registrar@"          # compare with your own trust file
sha = lambda b: hashlib.sha256(b).digest()
log = pathlib.Path("data/log")
origin, size, root = (log / "checkpoint").read_text().split("\n")[:3]

entries = []
for n in range(-(-int(size) // 256)):
    width, rest, path = min(256, int(size) - n * 256), n // 1000, f"{n % 1000:03}"
    while rest:
        path, rest = f"x{rest % 1000:03}/{path}", rest // 1000
    data = (log / "tile/entries" / (path if width == 256 else f"{path}.p/{width}")).read_bytes()
    while data:
        (length,) = struct.unpack(">H", data[:2])
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]

def tree(hashes):                   # RFC 9162, 2.1.1
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha(b"\x01" + tree(hashes[:k]) + tree(hashes[k:]))

mine = base64.b64encode(tree([sha(b"\x00" + e) for e in entries])).decode()
print("entries", len(entries), "root", mine, "same" if mine == root else "DIFFERS")

keys = {}
def enrol(key):                     # kid: RFC 9679 thumbprint of the Ed25519 key
    keys[sha(b"\xa3\x01\x01\x20\x06\x21\x58\x20" + key)] = Ed25519PublicKey.from_public_bytes(key)

enrol(bytes.fromhex(REGISTRAR))
bad = 0
for index, entry in enumerate(entries):
    protected, _, payload, signature = cbor2.loads(entry).value
    header, body = cbor2.loads(protected), cbor2.loads(payload)
    try:                            # RFC 9052, 4.4
        keys[header[4]].verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    except Exception as e:
        bad += 1
        print("entry", index, "INVALID", repr(e))
        continue
    for row in body[7] if "genesis" in header[3] else [body[6]] if ".key+" in header[3] and body[6] else []:
        if row[1] != -70001:
            enrol(row[0])
print("signatures", len(entries), "invalid", bad)
