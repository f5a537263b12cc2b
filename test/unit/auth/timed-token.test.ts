import t from "tap";
import { createTimedTokens } from "../../../src/auth/timed-token.ts";

const hour = 3_600_000;

function tokens(secret = "secret", start = 1_800_000_000_000) {
  let now = start;
  const made = createTimedTokens({ secret, lifetime: hour, clock: { now: () => now } });
  return { ...made, pass: (milliseconds: number) => (now += milliseconds) };
}

t.test("a token is good for an hour, and no longer", async (t) => {
  const ours = tokens();
  const token = ours.issue();
  t.equal(ours.verify(token), "valid");
  ours.pass(hour - 1000);
  t.equal(ours.verify(token), "valid");
  ours.pass(1000);
  t.equal(ours.verify(token), "invalid");
});

t.test("whoever has the same secret accepts it, and nobody else", async (t) => {
  const token = tokens().issue();
  t.equal(tokens().verify(token), "valid", "another instance, or the same after a restart");
  t.equal(tokens("another").verify(token), "invalid");
  t.not(tokens().issue(), token, "no two are the same");
});

t.test("what is changed, cut or made up is not ours, and what never was is foreign", async (t) => {
  const { issue, verify } = tokens();
  const token = issue();
  const [mark = "", ends = "", nonce = "", mac = ""] = token.split(".");
  const other = (text: string): string => (text.startsWith("A") ? "B" : "A") + text.slice(1);
  const cases: [string, "invalid" | "foreign"][] = [
    [[mark, String(Number(ends) + 9).padStart(12, "0"), nonce, mac].join("."), "invalid"],
    [[mark, ends, other(nonce), mac].join("."), "invalid"],
    [[mark, ends, nonce, other(mac)].join("."), "invalid"],
    [[mark, ends, nonce, "A".repeat(43)].join("."), "invalid"],
    [token.slice(0, -1), "invalid"],
    [`${token}A`, "invalid"],
    [`${mark}.`, "invalid"],
    [`${mark}.${"9".repeat(10_000)}`, "invalid"],
    ["", "foreign"],
    ["dXNlcjpwYXNzd29yZA==", "foreign"],
    [token.slice(1), "foreign"],
    [` ${token}`, "foreign"],
    ["x".repeat(100_000), "foreign"],
    ["eyJhbGciOiJub25lIn0.e30.", "foreign"],
  ];
  for (const [text, verdict] of cases) t.equal(verify(text), verdict, text.slice(0, 60));
});
