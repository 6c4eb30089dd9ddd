"""An OPC UA server of foreign make (asyncua), steered line by line over its standard input.

Start:   opcua_peer.py --port 0 [--shift] [--security none|secured] [--pki DIR] [--trust-clients FILE]
         [--min-publish MS] [--user-cert FILE] [--issuer FILE]
Prints:  ready <port>
Lines:   {"set": "Status", "value": 3}                    with optional "status": 2156462080, "time": "2024-02-29T..."
         {"burst": "Counter", "count": 20}                 1..20 as fast as they go
         {"add": "Late", "value": 5}                       a variable that was not there before
         {"sessions": true}                                prints how many sessions are open
         {"end_subscriptions": 2148139008}                 a StatusChangeNotification to every subscription
         {"mute": true}                                    publishes nothing any more, and goes on answering reads
         {"skip_sequence": true}                           the next notification number is left out
         {"services": true}                                prints the names of all services asked for so far
Each line is answered by one line, `ok` with what was asked for.

The variables lie in urn:plumbline:test:cnc. With --shift another namespace is registered before it, which has
variables of the same names and other values: whoever keeps an index across restarts reads those. With --user-cert
nobody is admitted but the user of that certificate. With --issuer that certificate is sent behind the server's own
when a channel is opened, and only there.
"""

import argparse
import asyncio
import datetime
import json
import logging
import socket
import sys
from pathlib import Path

from asyncua import Server, ua
from asyncua.crypto import security_policies, uacrypto
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.uaprocessor import UaProcessor
from cryptography.x509.oid import ExtendedKeyUsageOID

URI = "urn:plumbline:test:cnc"
OTHER = "urn:plumbline:test:other"
APPLICATION = "urn:plumbline:test:server"

VARIABLES = {
    "Status": (1, ua.VariantType.Int32),
    "Counter": (0, ua.VariantType.UInt32),
    "Total": (18446744073709551615, ua.VariantType.UInt64),
    "Signed": (-9223372036854775808, ua.VariantType.Int64),
    "Energy": (0.1, ua.VariantType.Double),
    "Power": (230.1, ua.VariantType.Float),
    "Running": (True, ua.VariantType.Boolean),
    "Byte": (200, ua.VariantType.Byte),
    "SByte": (-100, ua.VariantType.SByte),
    "Short": (-30000, ua.VariantType.Int16),
    "Word": (60000, ua.VariantType.UInt16),
    "Program": ("五轴加工中心 1 号：粗铣", ua.VariantType.String),
    "Axes": ([10, 20, 30], ua.VariantType.Int32),
    "主轴.转速": (8400, ua.VariantType.Int32),
}


class Users:
    def __init__(self, only=None):
        self.only = only

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if self.only:
            return User(role=UserRole.User) if certificate == self.only.read_bytes() else None
        if username == "plumbline" and password == "准绳-secret":
            return User(role=UserRole.User, name=username)
        if username is None:
            return User(role=UserRole.User)
        return None


SERVICES = set()
NAMES = {number: name for name, number in vars(ua.ObjectIds).items() if isinstance(number, int)}


def note_services():
    """Every message to any session of this server passes here, whatever becomes of it."""
    process = UaProcessor._process_message

    async def noted(self, typeid, *rest):
        SERVICES.add(NAMES.get(typeid.Identifier, str(typeid)).removesuffix("_Encoding_DefaultBinary"))
        return await process(self, typeid, *rest)

    UaProcessor._process_message = noted


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def secured(server, pki, trusted_clients, only):
    pki.mkdir(parents=True, exist_ok=True)
    key, cert = pki / "server-key.pem", pki / "server-cert.der"
    await setup_self_signed_certificate(
        key, cert, APPLICATION, "127.0.0.1", [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "Peer $(touch x)"}
    )
    await server.load_certificate(str(cert))
    await server.load_private_key(str(key))
    server.set_security_policy(
        [
            ua.SecurityPolicyType.Basic256Sha256_Sign,
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
            ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
            ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
            ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
        ]
    )
    server.set_identity_tokens(
        [ua.X509IdentityToken] if only else [ua.UserNameIdentityToken, ua.AnonymousIdentityToken]
    )
    if trusted_clients:

        async def check(certificate, application):
            from cryptography.hazmat.primitives.serialization import Encoding

            if certificate.public_bytes(Encoding.DER) != Path(trusted_clients).read_bytes():
                raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

        server.set_certificate_validator(check)


def revise(server, at_least):
    """asyncua grants every publishing interval; a slower server is made of it here."""
    service = server.iserver.subscription_service
    create = service.create_subscription

    async def slower(params, *rest, **more):
        params.RequestedPublishingInterval = max(params.RequestedPublishingInterval, at_least)
        return await create(params, *rest, **more)

    service.create_subscription = slower


async def append_issuer(path):
    """asyncua can send a chain, but its server has no setting for it."""
    issuer = await uacrypto.load_certificate(path)
    make = security_policies.SecurityPolicyFactory.__init__

    def with_issuer(self, *rest, **more):
        make(self, *rest, **more)
        self.certificate_chain = [issuer]

    security_policies.SecurityPolicyFactory.__init__ = with_issuer


async def add(server, index, name, value, kind):
    node = ua.NodeId(name, index)
    return await server.nodes.objects.add_variable(node, ua.QualifiedName(name, index), value, kind)


async def nothing(*_):
    return False


async def obey(server, index, line):
    order = json.loads(line)
    if "set" in order:
        name = order["set"]
        kind = VARIABLES[name][1]
        when = order.get("time")
        stamp = datetime.datetime.fromisoformat(when) if when else datetime.datetime.now(datetime.timezone.utc)
        data = ua.DataValue(
            ua.Variant(order["value"], kind),
            StatusCode=ua.StatusCode(order.get("status", 0)),
            SourceTimestamp=stamp,
        )
        await server.write_attribute_value(ua.NodeId(name, index), data)
        return ""
    if "burst" in order:
        for n in range(1, order["count"] + 1):
            data = ua.DataValue(ua.Variant(n, VARIABLES[order["burst"]][1]))
            await server.write_attribute_value(ua.NodeId(order["burst"], index), data)
        return ""
    if "add" in order:
        await add(server, index, order["add"], order["value"], ua.VariantType.Int32)
        return ""
    if "sessions" in order:
        return str(len(server.iserver.subscription_service.subscriptions))
    if "end_subscriptions" in order:
        for subscription in list(server.iserver.subscription_service.subscriptions.values()):
            await subscription.enqueue_statuschange(ua.StatusCode(order["end_subscriptions"]))
            await subscription.publish_results()
        return ""
    if "services" in order:
        return ",".join(sorted(SERVICES))
    if "mute" in order:
        for subscription in server.iserver.subscription_service.subscriptions.values():
            subscription.publish_results = nothing
        return ""
    if "skip_sequence" in order:
        for subscription in server.iserver.subscription_service.subscriptions.values():
            subscription._notification_seq += 1
        return ""
    raise ValueError(f"unknown order {line!r}")


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--shift", action="store_true")
    arguments.add_argument("--security", choices=["none", "secured"], default="none")
    arguments.add_argument("--pki", type=Path)
    arguments.add_argument("--trust-clients")
    arguments.add_argument("--min-publish", type=float)
    arguments.add_argument("--user-cert", type=Path)
    arguments.add_argument("--issuer", type=Path)
    wanted = arguments.parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)

    note_services()
    if wanted.issuer:
        await append_issuer(wanted.issuer)
    server = Server(user_manager=Users(wanted.user_cert))
    await server.init()
    port = wanted.port or free_port()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/plumbline/")
    await server.set_application_uri(APPLICATION)
    if wanted.security == "secured":
        await secured(server, wanted.pki, wanted.trust_clients, wanted.user_cert)
    else:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if wanted.min_publish:
        revise(server, wanted.min_publish)
    if wanted.shift:
        other = await server.register_namespace(OTHER)
        for name, (_, kind) in VARIABLES.items():
            if kind == ua.VariantType.Int32 and name != "Axes":
                await add(server, other, name, 999, kind)
    index = await server.register_namespace(URI)
    for name, (value, kind) in VARIABLES.items():
        await add(server, index, name, value, kind)

    async with server:
        print(f"ready {port}", flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            print(f"ok {await obey(server, index, line)}".strip(), flush=True)


asyncio.run(main())
