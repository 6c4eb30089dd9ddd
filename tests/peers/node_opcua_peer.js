// An OPC UA server of another foreign make (node-opcua), steered line by line over its standard input.
//
// Start:   node node_opcua_peer.js MODULES FOLDER [--port N] [--shift] [--user-cert FILE] [--issuer FILE]
//          MODULES is where npm has put node-opcua-server, FOLDER where the server keeps its certificates.
// Prints:  ready <port>
// Lines:   {"set": "Status", "value": 3}      with an optional "status": 2156462080
//          {"sessions": true}                 prints how many sessions are open
//          {"many": 450}                      a folder "Many" with as many variables
//          {"shutdown": true}                 an orderly end
//          {"certificate": true}              prints where the server's certificate lies
// Each line is answered by one line, `ok` with what was asked for.
//
// The variables are those of opcua_peer.py, in the same namespace. Good values carry no status: this server leaves
// it out. With --shift another namespace with the same names is registered before it. --user-cert is the one user's
// certificate that it trusts. --issuer is a certificate that it shows behind its own.
"use strict";
// What the library has to say is not an answer.
console.log = console.error;
console.warn = console.error;
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const readline = require("node:readline");

const [modules, folder, ...flags] = process.argv.slice(2);
const from = (name) => require(path.join(modules, "node_modules", name));
const { OPCUAServer, SecurityPolicy, MessageSecurityMode, DataType, StatusCodes, Variant, VariantArrayType } = {
  ...from("node-opcua-server"),
  ...from("node-opcua-secure-channel"),
  ...from("node-opcua-variant"),
  ...from("node-opcua-status-code"),
};
const { OPCUACertificateManager } = from("node-opcua-certificate-manager");

const flag = (name) => flags.includes(name);
const valueOf = (name) => (flag(name) ? flags[flags.indexOf(name) + 1] : undefined);

const URI = "urn:plumbline:test:cnc";
const VARIABLES = {
  Status: ["Int32", 1],
  Counter: ["UInt32", 0],
  Total: ["UInt64", [0xffffffff, 0xffffffff]],
  Signed: ["Int64", [0x80000000, 0]],
  Energy: ["Double", 0.1],
  Power: ["Float", 230.1],
  Running: ["Boolean", true],
  Byte: ["Byte", 200],
  SByte: ["SByte", -100],
  Short: ["Int16", -30000],
  Word: ["UInt16", 60000],
  Program: ["String", "五轴加工中心 1 号：粗铣"],
  Axes: ["Int32", [10, 20, 30]],
  "主轴.转速": ["Int32", 8400],
};

const variant = (type, value) =>
  new Variant({
    dataType: DataType[type],
    arrayType: Array.isArray(value) && !type.endsWith("64") ? VariantArrayType.Array : VariantArrayType.Scalar,
    value,
  });

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function manager(name, everybody) {
  const made = new OPCUACertificateManager({
    rootFolder: path.join(folder, name),
    automaticallyAcceptUnknownCertificate: everybody,
  });
  await made.initialize();
  return made;
}

function tree(server, uri, value) {
  const space = server.engine.addressSpace;
  const namespace = space.registerNamespace(uri);
  const nodes = {};
  for (const [name, [type, first]] of Object.entries(VARIABLES)) {
    const node = namespace.addVariable({
      organizedBy: space.rootFolder.objects,
      browseName: name,
      nodeId: `s=${name}`,
      dataType: type,
      valueRank: Array.isArray(first) && !type.endsWith("64") ? 1 : -1,
      minimumSamplingInterval: 0,
    });
    node.setValueFromSource(variant(type, value === undefined || type !== "Int32" || name === "Axes" ? first : value));
    nodes[name] = node;
  }
  return nodes;
}

async function main() {
  const port = Number(valueOf("--port") ?? (await freePort()));
  const users = await manager("users", false);
  const user = valueOf("--user-cert");
  if (user) await users.trustCertificate(fs.readFileSync(user));
  const server = new OPCUAServer({
    port,
    hostname: "127.0.0.1",
    resourcePath: "/plumbline",
    serverInfo: { applicationUri: "urn:plumbline:test:node" },
    serverCertificateManager: await manager("pki", true),
    userCertificateManager: users,
    securityPolicies: [
      SecurityPolicy.None,
      SecurityPolicy.Basic256Sha256,
      SecurityPolicy.Aes128_Sha256_RsaOaep,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    userManager: { isValidUser: (name, password) => name === "plumbline" && password === "准绳-secret" },
  });
  await server.initialize();
  const issuer = valueOf("--issuer");
  if (issuer) {
    const lines = fs.readFileSync(issuer).toString("base64").match(/.{1,64}/g).join("\n");
    fs.appendFileSync(server.certificateFile, `\n-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`);
    server.invalidateCachedCertificates();
  }
  if (flag("--shift")) tree(server, "urn:plumbline:test:other", 999);
  const nodes = tree(server, URI);
  await server.start();
  process.stdout.write(`ready ${port}\n`);

  const orders = {
    set: (order) => {
      const [type] = VARIABLES[order.set];
      const found = Object.values(StatusCodes).find((code) => code.value === (order.status ?? 0));
      nodes[order.set].setValueFromSource(variant(type, order.value), found);
      return "";
    },
    sessions: () => String(server.currentSessionCount),
    certificate: () => server.certificateFile,
    many: (order) => {
      const space = server.engine.addressSpace;
      const namespace = space.getNamespace(URI);
      const many = namespace.addFolder(space.rootFolder.objects, { browseName: "Many", nodeId: "s=Many" });
      for (let n = 0; n < order.many; n += 1) {
        const browseName = `many-${n}`;
        const node = namespace.addVariable({ organizedBy: many, browseName, nodeId: `s=${browseName}`, dataType: "Int32" });
        node.setValueFromSource(variant("Int32", n));
      }
      return "";
    },
    shutdown: async () => {
      await server.shutdown(0);
      return "";
    },
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const [known] = Object.keys(order).filter((key) => key in orders);
    process.stdout.write(`ok ${await orders[known](order)}\n`);
  }
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
