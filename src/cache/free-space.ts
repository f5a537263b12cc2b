import { statfs } from "node:fs/promises";

/** Bytes that this process may still write on the file system of a directory. */
export async function freeSpace(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
