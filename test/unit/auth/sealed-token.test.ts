import { randomBytes } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { createTokenSeal } from "../../../src/auth/sealed-token.ts";

const key = randomBytes(32);
const clock = { now: () => 1_800_000_000_000 };
const seal = createTokenSeal(key, clock);

t.test("any token comes out as it went in, until its time is over", async (t) => {
  const token = fc.string({
    unit: fc.constantFrom("a", "Z", "0", "-", ".", "_", "~", "+", "/", "="),
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(token, fc.integer({ min: 1, max: 10 ** 8 }), (text, ahead) => {
      const until = clock.now() + ahead;
      const sealed = seal.seal(text, until);
      // RFC 6750 §2.1: it is sent as a b64token, as far as the token itself was one.
      const after = createTokenSeal(key, { now: () => until });
      return seal.isSealed(sealed) && seal.open(sealed) === text && after.open(sealed) === undefined;
    }),
  );
  t.match(seal.seal("eyJ.eyJ.sig", clock.now()), /^[\w.~+/-]+$/);
});

t.test("no change of it passes", async (t) => {
  const sealed = seal.seal("eyJ.eyJ.sig", clock.now() + 60_000);
  fc.assert(
    fc.property(
      fc.nat(sealed.length - 1),
      fc.constantFrom("a", "Z", "0", "9", "-", ".", "_", "~"),
      (position, other) => {
        const changed = sealed.slice(0, position) + other + sealed.slice(position + 1);
        // The last letter of 32 bytes in base64 has two bits that say nothing.
        const [, , mac = ""] = changed.split("~");
        const [, , own = ""] = sealed.split("~");
        const same = Buffer.from(mac, "base64url").equals(Buffer.from(own, "base64url"));
        return changed === sealed || seal.open(changed) === undefined || (same && seal.open(changed) === "eyJ.eyJ.sig");
      },
    ),
  );
  const [form, end, mac, token] = sealed.split("~");
  const longer = Number.parseInt(end ?? "", 36) + 1;
  for (const forged of [
    `${form}~${longer.toString(36)}~${mac}~${token}`,
    `${form}~${end}~${mac}~${token}x`,
    `${form}~${end}~${mac}~`,
    `${form}~${end}~${"A".repeat(43)}~${token}`,
    `x~${end}~${mac}~${token}`,
    createTokenSeal(randomBytes(32), clock).seal("eyJ.eyJ.sig", clock.now() + 60_000),
    "eyJ.eyJ.sig",
    "",
  ])
    t.equal(seal.open(forged), undefined, forged);
});

t.test("what has no seal is known as that", async (t) => {
  for (const text of ["eyJ.eyJ.sig", "sealed", "sealed~~~", "", `x${seal.seal("a", 1)}`]) t.notOk(seal.isSealed(text));
});
