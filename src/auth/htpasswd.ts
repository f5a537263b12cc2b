import { compare } from "bcryptjs";
import { LRUCache } from "lru-cache";
import { EntrepotError } from "../core/errors.ts";
import { type Accounts, createPairHash, parseBasic, type UserAndPassword } from "./accounts.ts";

/** The hash of each user. */
export type Htpasswd = ReadonlyMap<string, string>;

/** Of `htpasswd -B`: `$2y$`, cost, salt and hash. */
const bcryptHash = /^\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}$/;

/** Reads a file as `htpasswd -B` writes it. Throws CONFIG_INVALID, which names the line and repeats nothing of it. */
export function parseHtpasswd(text: string, name: string): Htpasswd {
  const users = new Map<string, string>();
  for (const [index, given] of text.split(/\r?\n/).entries()) {
    const line = given.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [user = "", hash = ""] = line.split(/:(.*)/s, 2);
    const refuse = (problem: string): never => {
      throw new EntrepotError("CONFIG_INVALID", `${name}: line ${index + 1} ${problem}.`);
    };
    if (user === "") refuse("has no user");
    if (!bcryptHash.test(hash)) refuse("has no bcrypt hash; htpasswd -B writes one");
    if (users.has(user)) refuse("has the user of another line");
    users.set(user, hash);
  }
  return users;
}

export interface HtpasswdOptions {
  /** As it is at the moment; another object once it has changed. */
  readonly current: () => Htpasswd;
  /** Pairs that were right are known for so long, milliseconds: clients send theirs with every request. */
  readonly rememberMs?: number;
  /** Checks that may wait. A check takes tens of milliseconds of this process. */
  readonly mostWaiting?: number;
}

/** One password at a time is checked, since that is work of this process that nothing else goes on beside. */
export function createHtpasswdAccounts({ current, rememberMs = 300_000, mostWaiting = 64 }: HtpasswdOptions): Accounts {
  const hashOf = createPairHash();
  const right = new LRUCache<string, Htpasswd>({ max: 1000, ttl: rememberMs });
  const running = new Map<string, Promise<boolean>>();
  let last: Promise<unknown> = Promise.resolve();

  const verify = (pair: UserAndPassword, users: Htpasswd): Promise<boolean> => {
    const known = users.get(pair.user);
    // For a user that there is not, as much work is done as for the others.
    const work = last.then(() => compare(pair.password, known ?? someHash(users)));
    last = work.catch(() => undefined);
    return work.then((same) => same && known !== undefined);
  };

  return {
    async check(authorization) {
      const pair = parseBasic(authorization);
      if (pair === undefined) return undefined;
      const users = current();
      const key = hashOf(pair).toString("base64url");
      if (right.get(key) === users) return pair.user;
      let answer = running.get(key);
      if (answer === undefined) {
        if (running.size >= mostWaiting)
          throw new EntrepotError("TOOMANYREQUESTS", "Too many passwords are being checked; try again in a moment.");
        answer = verify(pair, users).finally(() => running.delete(key));
        running.set(key, answer);
      }
      if (!(await answer)) return undefined;
      right.set(key, users);
      return pair.user;
    },
  };
}

/** The costliest, so that the answer to a user that there is not comes no sooner. Where there is none, one that nothing hashes to. */
function someHash(users: Htpasswd): string {
  return [...users.values()].toSorted((one, other) => costOf(other) - costOf(one))[0] ?? `$2b$10$${"a".repeat(53)}`;
}

function costOf(hash: string): number {
  return Number(hash.slice(4, 6));
}
