import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";

/** Why a test that mounts a file system is left out, or false. */
export const cannotMount = process.getuid?.() === 0 ? false : "only root can mount a small file system";

/** A directory for a proxy whose `cache` (or what `name` says) is a file system of its own, of so many bytes, until the test ends. */
export class SmallDisk {
  readonly directory = mkdtempSync(join(tmpdir(), "entrepot-disk-"));
  readonly cache: string;
  #mounted = true;

  constructor(t: Test, size: number, name = "cache") {
    this.cache = join(this.directory, name);
    mkdirSync(this.cache);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", this.cache]);
    t.teardown(() => {
      this.unmount();
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** Lazily: a descriptor that is still open must not keep it. May be called twice. */
  unmount(): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    execFileSync("umount", ["-l", this.cache]);
  }

  /** Takes all that is free, until the function that it gives back is called. */
  fill(): () => void {
    const file = join(this.cache, "filler");
    const piece = Buffer.alloc(4096, 1);
    try {
      for (;;) appendFileSync(file, piece);
    } catch {
      return () => rmSync(file);
    }
  }

  /** Bytes. */
  free(): number {
    const { bfree, bsize } = statfsSync(this.cache);
    return bfree * bsize;
  }

  /** A file that is open for writing keeps it from being read-only for a moment. */
  async remount(mode: "ro" | "rw"): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        execFileSync("mount", ["-o", `remount,${mode}`, this.cache], { stdio: "pipe" });
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}
