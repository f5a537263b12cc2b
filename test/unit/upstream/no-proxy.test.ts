import t from "tap";
import { parseNoProxy } from "../../../src/upstream/no-proxy.ts";

const cases: [list: string, host: string, port: number, bypassed: boolean][] = [
  ["", "example.com", 443, false],
  ["*", "example.com", 443, true],
  ["example.com", "example.com", 443, true],
  ["example.com", "a.example.com", 443, true],
  ["example.com", "notexample.com", 443, false],
  [".example.com", "a.example.com", 443, true],
  ["*.example.com", "a.example.com", 443, true],
  ["other.test, EXAMPLE.com", "example.com", 443, true],
  ["other.test example.com", "example.com", 443, true],
  ["example.com:5000", "example.com", 5000, true],
  ["example.com:5000", "example.com", 443, false],
  ["10.0.0.0/8", "10.1.2.3", 443, true],
  ["10.0.0.0/8", "11.1.2.3", 443, false],
  ["10.1.2.3", "10.1.2.3", 443, true],
  ["10.1.2.3:80", "10.1.2.3", 80, true],
  ["fd00::/8", "fd00::1", 443, true],
  ["[::1]", "::1", 443, true],
  ["10.0.0.0/99", "10.1.2.3", 443, false],
];

for (const [list, host, port, bypassed] of cases) {
  t.equal(parseNoProxy(list)(host, port), bypassed, `NO_PROXY="${list}" and ${host}:${port}`);
}
t.equal(parseNoProxy(undefined)("example.com", 443), false);
