import { readFileSync, statSync } from "node:fs";
import { type Accounts, createPlainAccounts, type UserAndPassword } from "../auth/accounts.ts";
import { createHtpasswdAccounts, type Htpasswd, parseHtpasswd } from "../auth/htpasswd.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";

export interface AccountSettings {
  readonly accounts?: readonly UserAndPassword[];
  readonly htpasswdFile?: string | undefined;
}

/** Who may use a front; undefined: everybody. Throws CONFIG_INVALID, which names the front, where the file cannot be used. */
export function openAccounts(front: string, settings: AccountSettings, clock: Clock, log: Log): Accounts | undefined {
  const { accounts = [], htpasswdFile } = settings;
  const listed = accounts.length === 0 ? undefined : createPlainAccounts(accounts);
  if (htpasswdFile === undefined) return listed;
  const filed = createHtpasswdAccounts({ current: watchHtpasswd(front, htpasswdFile, clock, log) });
  if (listed === undefined) return filed;
  return { check: async (authorization) => (await listed.check(authorization)) ?? (await filed.check(authorization)) };
}

/** How often the file is looked at, milliseconds. */
const lookEvery = 1000;

/** The file as it is; while it cannot be read, or has a bad line, as it was. */
function watchHtpasswd(front: string, path: string, clock: Clock, log: Log): () => Htpasswd {
  let stamp = stampOf(path);
  let users = readHtpasswd(front, path);
  let looked = clock.now();
  return () => {
    if (Math.abs(clock.now() - looked) < lookEvery) return users;
    looked = clock.now();
    const now = stampOf(path);
    if (now === stamp) return users;
    stamp = now;
    try {
      users = readHtpasswd(front, path);
    } catch (error) {
      log.warn({ event: "htpasswd", problem: (error as Error).message }, "The users are those from before.");
    }
    return users;
  };
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

function readHtpasswd(front: string, path: string): Htpasswd {
  const name = `HTPASSWD_FILE of the front ${front}: ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const problem = `${name} cannot be read; it may be a file as htpasswd -B writes it.`;
    throw new EntrepotError("CONFIG_INVALID", problem, { cause });
  }
  return parseHtpasswd(text, name);
}
