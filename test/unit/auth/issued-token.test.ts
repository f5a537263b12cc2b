import { createHmac } from "node:crypto";
import { SignJWT } from "jose";
import t from "tap";
import { accessOf, createTokenIssuer, issuedSeconds } from "../../../src/auth/issued-token.ts";

const secret = Buffer.from("a secret of thirty-two bytes, or");
const clock = { now: () => 1_800_000_000_000 };
const now = clock.now() / 1000;
const issuer = createTokenIssuer({ secret, issuer: "images", clock });

t.test("what was issued is good for a day, in every process that has the secret", async (t) => {
  const token = await issuer.issue("alice", []);
  t.ok(issuer.claims(token));
  t.equal(await issuer.subjectOf(token), "alice");
  t.not(token, await issuer.issue("alice", []), "each has an id of its own");
  const later = (seconds: number) =>
    createTokenIssuer({ secret, issuer: "images", clock: { now: () => (now + seconds) * 1000 } }).subjectOf(token);
  t.equal(await later(issuedSeconds - 1), "alice");
  t.equal(await later(issuedSeconds + 6), undefined);
  t.equal(await later(-6), undefined, "before its time");
  t.equal(await later(-3), "alice", "clocks differ");
});

t.test("a token of nobody has an empty subject", async (t) => {
  t.equal(await issuer.subjectOf(await issuer.issue("", [])), "");
});

interface Claims {
  iss?: string;
  aud?: string | string[];
  sub?: string;
  nbf?: number;
  exp?: number;
}

const right: Claims = { iss: "images", aud: "images", sub: "alice", nbf: now - 60, exp: now + 600 };

function signed(claims: Claims, alg = "HS256", key = secret): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(key);
}

/** By hand, since the library refuses to make them. */
function assembled(header: object, claims: object, signature = ""): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${signature}`;
}

t.test("nothing else opens anything", async (t) => {
  t.equal(await issuer.subjectOf(await signed(right)), "alice", "the table begins with what is right");
  const { exp: _, ...endless } = right;
  const { sub: __, ...nameless } = right;
  const { aud: ___, ...general } = right;
  const text = assembled({ alg: "HS256" }, right).slice(0, -1);
  const mac = (hash: string): string => createHmac(hash, secret).update(text).digest("base64url");
  const hmac = (of: string): string => createHmac("sha256", secret).update(of).digest("base64url");
  const critical = assembled({ alg: "HS256", crit: ["x"], x: 1 }, right).slice(0, -1);
  const [head = "", body = ""] = (await signed(right)).split(".");
  const cases: Record<string, string> = {
    "another secret": await signed(right, "HS256", Buffer.from("another secret of the same size.")),
    "another algorithm": await signed(right, "HS512", Buffer.concat([secret, secret])),
    "no algorithm": assembled({ alg: "none" }, right),
    "no algorithm, in capitals": assembled({ alg: "NONE" }, right),
    "no algorithm, with a signature": assembled({ alg: "none" }, right, mac("sha256")),
    "another hash under the right name": `${text}.${mac("sha512")}`,
    "a public key as the secret": assembled({ alg: "RS256" }, right, mac("sha256")),
    "a critical header that nobody knows": `${critical}.${hmac(critical)}`,
    "another issuer": await signed({ ...right, iss: "auth.docker.io" }),
    "another audience": await signed({ ...right, aud: "registry.docker.io" }),
    "no audience": await signed(general),
    expired: await signed({ ...right, exp: now - 60 }),
    "no end": await signed(endless),
    "not good yet": await signed({ ...right, nbf: now + 60 }),
    "no subject": await signed(nameless),
    "another subject under the old signature": `${head}.${Buffer.from(JSON.stringify({ ...right, sub: "bob" })).toString("base64url")}.${mac("sha256")}`,
    "no signature": `${head}.${body}.`,
    "two parts": `${head}.${body}`,
    "no JSON": "a.b.c",
    nothing: "",
  };
  for (const [name, token] of Object.entries(cases)) t.equal(await issuer.subjectOf(token), undefined, name);
});

t.test("whose a token says it is can be read of any", async (t) => {
  t.ok(issuer.claims(assembled({ alg: "none" }, right)));
  t.notOk(issuer.claims(assembled({ alg: "none" }, { ...right, iss: "auth.docker.io" })));
  for (const text of ["", "opaque", "a.b.c", assembled({}, []), assembled({}, { iss: 5 })])
    t.notOk(issuer.claims(text));
});

t.test("scopes become access, each once and at most a hundred", async (t) => {
  t.same(accessOf(["repository:a/b:pull,push", "repository:a/b:pull,push repository(plugin):c:pull", "x"]), [
    { type: "repository", name: "a/b", actions: ["pull", "push"] },
    { type: "repository(plugin)", name: "c", actions: ["pull"] },
  ]);
  t.same(accessOf(["repository:h.test:5000/a:"]), [{ type: "repository", name: "h.test:5000/a", actions: [] }]);
  t.equal(accessOf([Array.from({ length: 500 }, (_, index) => `repository:r${index}:pull`).join(" ")]).length, 100);
});
