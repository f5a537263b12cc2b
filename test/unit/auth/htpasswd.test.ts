import bcrypt from "bcryptjs";
import t from "tap";
import { createHtpasswdAccounts, parseHtpasswd } from "../../../src/auth/htpasswd.ts";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
const line = (user: string, password: string, cost = 4): string =>
  `${user}:${bcrypt.hashSync(password, cost).replace(/^\$2b/, "$2y")}`;

t.test("lines are users; what is none is refused by its number, and nothing of it is repeated", async (t) => {
  const users = parseHtpasswd(`# people\n\n${line("alice", "one")}\r\n ${line("bob", "two")}\n`, "FILE");
  t.same([...users.keys()], ["alice", "bob"]);
  const bad: [text: string, expected: RegExp][] = [
    [`${line("alice", "one")}\nbob:hunter2`, /^FILE: line 2 has no bcrypt hash; htpasswd -B writes one\.$/],
    ["bob:{SHA}hunter2", /^FILE: line 1 has no bcrypt hash/],
    [`bob:$2y$31$${"a".repeat(53)}`, /^FILE: line 1 has no bcrypt hash/],
    ["hunter2", /^FILE: line 1 has no bcrypt hash/],
    [line("", "x"), /^FILE: line 1 has no user/],
    [`${line("alice", "one")}\n${line("alice", "hunter2")}`, /^FILE: line 2 has the user of another line/],
  ];
  for (const [text, message] of bad) t.throws(() => parseHtpasswd(text, "FILE"), { code: "CONFIG_INVALID", message });
});

t.test("a user is who has the password that the line hashes", async (t) => {
  const users = parseHtpasswd(`${line("alice", "one:two")}\n${line("bob", "two")}`, "FILE");
  const accounts = createHtpasswdAccounts({ current: () => users });
  t.equal(await accounts.check(basic("alice:one:two")), "alice");
  t.equal(await accounts.check(basic("alice:one:two")), "alice", "and is remembered");
  for (const wrong of ["alice:two", "bob:one:two", "carol:two", "alice:", ":"])
    t.equal(await accounts.check(basic(wrong)), undefined, wrong);
  t.equal(await accounts.check(undefined), undefined);
});

t.test("a file that has changed counts at once, for those too who are remembered", async (t) => {
  let users = parseHtpasswd(line("alice", "old"), "FILE");
  const accounts = createHtpasswdAccounts({ current: () => users });
  t.equal(await accounts.check(basic("alice:old")), "alice");
  users = parseHtpasswd(line("alice", "new"), "FILE");
  t.equal(await accounts.check(basic("alice:old")), undefined);
  t.equal(await accounts.check(basic("alice:new")), "alice");
});

t.test("a file without users lets nobody in", async (t) => {
  const accounts = createHtpasswdAccounts({ current: () => new Map() });
  t.equal(await accounts.check(basic("alice:one")), undefined);
});

t.test("the same pair is checked once at a time, and no more than may wait", async (t) => {
  const users = parseHtpasswd(line("alice", "one"), "FILE");
  const accounts = createHtpasswdAccounts({ current: () => users, mostWaiting: 2 });
  const same = Promise.all(["", "", "", ""].map(() => accounts.check(basic("alice:one"))));
  const other = accounts.check(basic("alice:two"));
  await t.rejects(accounts.check(basic("alice:three")), { code: "TOOMANYREQUESTS", status: 429 });
  t.same(await same, ["alice", "alice", "alice", "alice"]);
  t.equal(await other, undefined);
  t.equal(await accounts.check(basic("alice:three")), undefined, "there is room again");
});

t.test("a user that there is not costs as much work as the costliest that there is", async (t) => {
  const users = parseHtpasswd(`${line("cheap", "x", 4)}\n${line("dear", "x", 10)}`, "FILE");
  const accounts = createHtpasswdAccounts({ current: () => users });
  const cpu = async (pair: string): Promise<number> => {
    const before = process.cpuUsage();
    await accounts.check(basic(pair));
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  await cpu("dear:warm-up");
  const least = async (user: string): Promise<number> =>
    Math.min(await cpu(`${user}:1`), await cpu(`${user}:2`), await cpu(`${user}:3`));
  t.ok((await least("nobody")) > (await least("cheap")) * 4, "not the work of the cheap one");
});
