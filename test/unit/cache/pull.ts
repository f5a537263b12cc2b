import type { Body } from "../../../src/core/body.ts";

/** One pull as a promise of a copy of its bytes. */
export function pullOnce(body: Body, position: number, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    body.pull(position, limit, (error, pieces, release) => {
      const bytes = Buffer.concat(pieces);
      release();
      if (error === undefined) resolve(bytes);
      else reject(error);
    });
  });
}

/** All bytes from a position on. */
export async function pullAll(body: Body, position = 0, limit = 100_000): Promise<Buffer> {
  const all: Buffer[] = [];
  let at = position;
  for (;;) {
    const bytes = await pullOnce(body, at, limit);
    if (bytes.length === 0) return Buffer.concat(all);
    all.push(bytes);
    at += bytes.length;
  }
}

/** Lets every callback that is due run. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
