import { X509Certificate } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Authority, openAuthority } from "../../../src/ca/authority.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { noOpenssl, openssl, opensslIntermediate, opensslRoot, opensslVerify } from "./openssl.ts";

const day = 86_400_000;
const p384 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const p256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

async function leafOf(authority: Authority, host: string): Promise<X509Certificate> {
  return new X509Certificate((await authority.issueLeaf(host)).certificate);
}

t.test("the first start makes a root of ten years, the next one reuses it", async (t) => {
  const directory = join(t.testdir(), "ca");
  const first = await openAuthority({ directory });
  t.equal(first.created, true);
  t.strictSame(first.warnings, []);
  t.strictSame(readdirSync(directory).toSorted(), ["ca.crt", "ca.key"]);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.equal(statSync(join(directory, "ca.key")).mode & 0o777, 0o600);
  t.equal(readFileSync(join(directory, "ca.crt"), "utf8"), first.rootPem);
  const root = new X509Certificate(first.rootPem);
  t.match(root.subject, /^CN=Entrepot CA [0-9a-f]{8}$/);
  t.equal(root.ca, true);
  t.equal(root.fingerprint256, first.fingerprint);
  t.equal(Math.round((root.validToDate.getTime() - root.validFromDate.getTime()) / day / 365), 10);
  t.equal(first.chainPem, "");

  const second = await openAuthority({ directory });
  t.equal(second.created, false);
  t.equal(second.fingerprint, first.fingerprint);
});

t.test("a key that lost its certificate file gets it back, since it holds a copy", async (t) => {
  const directory = t.testdir();
  const { fingerprint } = await openAuthority({ directory });
  rmSync(join(directory, "ca.crt"));
  const again = await openAuthority({ directory });
  t.equal(again.fingerprint, fingerprint);
  t.equal(readFileSync(join(directory, "ca.crt"), "utf8"), again.rootPem);
});

t.test("show makes nothing", async (t) => {
  const directory = join(t.testdir(), "none");
  await t.rejects(openAuthority({ directory, create: false }), { code: "CA_INVALID", message: /no CA yet/ });
  t.equal(existsSync(directory), false);
});

t.test("a leaf names its host and lives at most 90 days", async (t) => {
  const now = Date.UTC(2030, 5, 1);
  const authority = await openAuthority({ directory: t.testdir(), clock: { now: () => now } });
  const root = new X509Certificate(authority.rootPem);
  const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.registry.examples`;
  const cases = [
    ["registry-1.docker.io", "DNS:registry-1.docker.io", "CN=registry-1.docker.io"],
    ["Registry.TEST", "DNS:registry.test", "CN=registry.test"],
    ["192.0.2.7", "IP Address:192.0.2.7", "CN=192.0.2.7"],
    ["2001:DB8::1", "IP Address:2001:DB8:0:0:0:0:0:1", "CN=2001:db8::1"],
    ["::ffff:192.0.2.7", "IP Address:0:0:0:0:0:FFFF:C000:207", "CN=::ffff:c000:207"],
    ["bücher.example", "DNS:xn--bcher-kva.example", "CN=xn--bcher-kva.example"],
    [long, `DNS:${long}`, undefined],
  ] as const;
  t.equal(long.length, 200);
  for (const [host, alternative, subject] of cases) {
    const leaf = await leafOf(authority, host);
    t.equal(leaf.subjectAltName, alternative, host);
    t.equal(leaf.subject || undefined, subject);
    t.equal(leaf.ca, false);
    t.strictSame(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    t.equal(leaf.validFromDate.getTime(), now - day);
    t.equal(leaf.validToDate.getTime(), now + 89 * day);
    t.equal(leaf.checkIssued(root) && leaf.verify(root.publicKey), true);
    t.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
  }
  const [one, two] = [await leafOf(authority, "a.test"), await leafOf(authority, "a.test")];
  t.not(one.serialNumber, two.serialNumber);
  for (const host of ["", "a b", "*.test", "a/b", "a:443", "x".repeat(254), "a..b", "é*"]) {
    await t.rejects(authority.issueLeaf(host), { code: "BAD_REQUEST" }, JSON.stringify(host));
  }
});

t.test("no leaf outlives its CA, nor is one made after it", async (t) => {
  let now = Date.UTC(2040, 0, 1);
  const authority = await openAuthority({ directory: t.testdir(), clock: { now: () => now } });
  now = authority.notAfter - 10 * day;
  t.equal((await leafOf(authority, "a.test")).validToDate.getTime(), authority.notAfter);
  now = authority.notAfter;
  await t.rejects(authority.issueLeaf("a.test"), { code: "CA_INVALID", message: /expired/ });
});

t.test("dates from 2050 on are GeneralizedTime", async (t) => {
  const authority = await openAuthority({ directory: t.testdir(), clock: { now: () => Date.UTC(2049, 11, 15) } });
  const root = new X509Certificate(authority.rootPem);
  t.ok(root.raw.includes("\x17\x0d491214000000Z", 0, "latin1"));
  t.ok(root.raw.includes("\x18\x0f20591215000000Z", 0, "latin1"));
  const leaf = await leafOf(authority, "a.test");
  t.equal(leaf.validFromDate.getUTCFullYear(), 2049);
  t.equal(leaf.validToDate.getUTCFullYear(), 2050);
});

t.test("openssl accepts the leaves of a root of our own", { skip: noOpenssl }, async (t) => {
  const directory = t.testdir();
  const authority = await openAuthority({ directory });
  const names = [
    ["registry-1.docker.io", "-verify_hostname"],
    ["127.0.0.1", "-verify_ip"],
    ["2001:db8::5", "-verify_ip"],
    ["xn--bcher-kva.example", "-verify_hostname"],
    [`${"n".repeat(63)}.${"m".repeat(63)}.${"o".repeat(63)}.test.io`, "-verify_hostname"],
  ] as const;
  for (const [host, how] of names) {
    const { certificate } = await authority.issueLeaf(host);
    t.match(opensslVerify(directory, authority.rootPem, certificate, ["-x509_strict", how, host]), /: OK/, host);
  }
  const { certificate } = await authority.issueLeaf("a.test");
  t.throws(() => opensslVerify(directory, authority.rootPem, certificate, ["-verify_hostname", "b.test"]));
  const text = openssl(["x509", "-in", "ca.crt", "-noout", "-text"], directory);
  t.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/);
  t.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
  const identifier = /Subject Key Identifier:\s+([0-9A-F:]{59})\n/.exec(text)?.[1] ?? "none";
  const leaf = openssl(["x509", "-in", "verify-leaf.pem", "-noout", "-text"], directory);
  t.match(leaf, new RegExp(`Authority Key Identifier:\\s+(keyid:)?${identifier}\n`));
  t.match(leaf, /Key Usage: critical\s+Digital Signature\n/);
});

t.test("a user's own CA of any kind signs", { skip: noOpenssl }, async (t) => {
  const directory = t.testdir();
  opensslRoot(directory, "rsa", ["rsa:2048"]);
  opensslRoot(directory, "p384", p384);
  opensslRoot(directory, "p521", ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"]);
  opensslRoot(directory, "plain", p256, ["-addext", "subjectKeyIdentifier=none"]);
  openssl(["rsa", "-in", "rsa.key", "-traditional", "-out", "pkcs1.key"], directory);
  openssl(["ec", "-in", "p384.key", "-out", "sec1.key"], directory);
  openssl(["ecparam", "-name", "prime256v1", "-genkey", "-out", "parameters.key"], directory);
  openssl(
    ["req", "-x509", "-key", "parameters.key", "-out", "parameters.crt", "-subj", "/CN=with parameters"],
    directory,
  );
  const kinds = [
    ["rsa", "rsa", "BEGIN PRIVATE KEY"],
    ["rsa", "pkcs1", "BEGIN RSA PRIVATE KEY"],
    ["p384", "p384", "BEGIN PRIVATE KEY"],
    ["p384", "sec1", "BEGIN EC PRIVATE KEY"],
    ["p521", "p521", "BEGIN PRIVATE KEY"],
    ["plain", "plain", "BEGIN PRIVATE KEY"],
    ["parameters", "parameters", "BEGIN EC PARAMETERS"],
  ] as const;
  for (const [certificate, key, form] of kinds) {
    const files = { certificateFile: join(directory, `${certificate}.crt`), keyFile: join(directory, `${key}.key`) };
    t.ok(readFileSync(files.keyFile, "utf8").includes(form), form);
    const authority = await openAuthority({ directory: join(directory, "unused"), ...files });
    t.equal(authority.created, false);
    const leaf = await authority.issueLeaf("own.test");
    t.match(
      opensslVerify(directory, authority.rootPem, leaf.certificate, ["-verify_hostname", "own.test"]),
      /: OK/,
      key,
    );
  }
  t.equal(existsSync(join(directory, "unused")), false);
});

t.test("a chain is served whole and its root given to clients", { skip: noOpenssl }, async (t) => {
  const directory = t.testdir();
  opensslRoot(directory, "root", ["rsa:2048"]);
  opensslIntermediate(directory, "middle", "root", p384);
  opensslIntermediate(directory, "issuing", "middle", p256);
  const read = (name: string): string => readFileSync(join(directory, `${name}.crt`), "utf8");
  const open = async (...order: string[]): Promise<Authority> => {
    const certificateFile = join(directory, `${order.join("-")}.crt`);
    writeFileSync(certificateFile, order.map(read).join("\n"));
    return await openAuthority({ directory, certificateFile, keyFile: join(directory, "issuing.key") });
  };

  const whole = await open("issuing", "middle", "root");
  t.equal(whole.rootPem, read("root"));
  t.equal(whole.chainPem, read("issuing") + read("middle"));
  t.strictSame(whole.warnings, []);
  const leaf = await whole.issueLeaf("own.test");
  t.match(opensslVerify(directory, whole.rootPem, leaf.certificate, ["-verify_hostname", "own.test"]), /: OK/);

  const rootless = await open("issuing", "middle");
  t.equal(rootless.rootPem, read("middle"));
  t.equal(rootless.chainPem, read("issuing") + read("middle"));
  t.match(rootless.warnings[0], /does not hold its root.*topmost.*middle/);

  await t.rejects(open("issuing", "root", "middle"), {
    code: "CA_INVALID",
    message: /issuing in .* not issued by .*root/,
  });
  await t.rejects(open("middle", "issuing"), { code: "CA_INVALID", message: /does not match.*belongs to issuing/ });
});

t.test("the CA volume of the nginx-based proxy is taken over as it is", { skip: noOpenssl }, async (t) => {
  const directory = t.testdir();
  openssl(["genrsa", "-des3", "-passout", "pass:foobar", "-out", "ca.key", "2048"], directory);
  const request = [
    "req",
    "-x509",
    "-new",
    "-key",
    "ca.key",
    "-passin",
    "pass:foobar",
    "-days",
    "1000",
    "-out",
    "ca.crt",
  ];
  openssl([...request, "-subj", "/C=NL/CN=old proxy", "-addext", "keyUsage=critical,keyCertSign"], directory);
  const authority = await openAuthority({ directory });
  t.notOk(authority.created);
  const { certificate } = await authority.issueLeaf("registry-1.docker.io");
  t.match(opensslVerify(directory, authority.rootPem, certificate, ["-verify_hostname", "registry-1.docker.io"]), /OK/);
});

t.test("a CA that cannot be used is refused with one line that says why", { skip: noOpenssl }, async (t) => {
  const directory = t.testdir({ "garbage.crt": "garbage", "garbage.key": "garbage", file: "" });
  for (const name of ["good", "other"]) opensslRoot(directory, name, p256);
  opensslRoot(directory, "leaf", p256, ["-addext", "basicConstraints=critical,CA:FALSE"]);
  opensslRoot(directory, "weak", ["rsa:1024"]);
  opensslRoot(directory, "ed25519", ["ed25519"]);
  opensslRoot(directory, "nosign", p256, ["-addext", "keyUsage=digitalSignature"]);
  openssl(["pkey", "-in", "good.key", "-aes128", "-passout", "pass:x", "-out", "encrypted.key"], directory);
  openssl(["ec", "-in", "good.key", "-aes128", "-passout", "pass:x", "-out", "encrypted-sec1.key"], directory);
  const pem = (label: string): string => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
  writeFileSync(join(directory, "broken.crt"), pem("CERTIFICATE"));
  writeFileSync(join(directory, "broken.key"), pem("PRIVATE KEY"));
  const cases: readonly [string, string, RegExp][] = [
    ["good.crt", "other.key", /does not match/],
    ["leaf.crt", "leaf.key", /not a CA certificate \(basicConstraints/],
    ["nosign.crt", "nosign.key", /keyCertSign/],
    ["good.crt", "encrypted.key", /is encrypted/],
    ["good.crt", "encrypted-sec1.key", /is encrypted/],
    ["garbage.crt", "good.key", /holds no certificate/],
    ["good.crt", "garbage.key", /holds no private key/],
    ["broken.crt", "good.key", /cannot be read/],
    ["good.crt", "broken.key", /cannot be read/],
    ["weak.crt", "weak.key", /RSA with 1024 bits/],
    ["ed25519.crt", "ed25519.key", /neither RSA nor EC/],
    ["good.crt", "missing.key", /has no key beside it/],
    ["missing.crt", "good.key", /has no certificate beside it/],
    ["nowhere/a.crt", "nowhere/a.key", /does not exist/],
    ["file/a.crt", "file/a.key", /is not a directory/],
  ];
  const before = readdirSync(directory).toSorted();
  for (const [certificate, key, message] of cases) {
    const files = { certificateFile: join(directory, certificate), keyFile: join(directory, key) };
    await refused(t, openAuthority({ directory, ...files }), message);
  }
  t.strictSame(readdirSync(directory).toSorted(), before, "nothing was made or left behind");

  const good = { directory, certificateFile: join(directory, "good.crt"), keyFile: join(directory, "good.key") };
  await refused(t, openAuthority({ ...good, clock: { now: () => Date.UTC(2090, 0, 1) } }), /expired on 20/);
  await refused(t, openAuthority({ ...good, clock: { now: () => 0 } }), /not valid before .* is the clock right/);
  await refused(t, openAuthority({ directory: join(directory, "file") }), /is not a directory/);
});

async function refused(t: Test, opening: Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EntrepotError)) return void t.fail(`not refused: ${String(message)}`);
  t.equal(error.code, "CA_INVALID");
  t.match(error.message, message);
  t.notMatch(error.message, /\n/, "one line");
}

t.test(
  "a directory that cannot be written is refused, a whole pair in it is not",
  { skip: process.getuid?.() === 0 && "root may write anywhere" },
  async (t) => {
    const directory = t.testdir();
    chmodSync(directory, 0o500);
    t.teardown(() => chmodSync(directory, 0o700));
    await refused(t, openAuthority({ directory }), /may not be accessed/);
  },
);

t.test(
  "a directory that takes no directory is refused at once",
  { skip: !existsSync("/proc/self") && "no /proc" },
  async (t) => {
    await refused(t, openAuthority({ directory: "/proc/entrepot/ca" }), /does not exist|may not be accessed/);
  },
);

t.test("a key that others may read is warned of", async (t) => {
  const directory = t.testdir();
  await openAuthority({ directory });
  chmodSync(join(directory, "ca.key"), 0o644);
  t.match((await openAuthority({ directory })).warnings, [/may be read by others/]);
});

t.test("what a killed start left is removed once it is old", async (t) => {
  const directory = t.testdir({
    ".entrepot-0123456789abcdef.tmp": "old",
    ".entrepot-fedcba9876543210.tmp": "new",
    "mine.tmp": "",
  });
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(join(directory, ".entrepot-0123456789abcdef.tmp"), anHourAgo, anHourAgo);
  await openAuthority({ directory });
  t.strictSame(readdirSync(directory).toSorted(), [".entrepot-fedcba9876543210.tmp", "ca.crt", "ca.key", "mine.tmp"]);
});
