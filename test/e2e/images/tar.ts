/** A regular file of a layer: path without a leading slash. */
export interface TarFile {
  readonly path: string;
  readonly content: Buffer;
  /** 0o644 unless said otherwise. */
  readonly mode?: number;
}

const block = 512;

/** A tar archive in the ustar format (POSIX.1-1988) with no date and no owner in it, so that the same files are the same bytes. */
export function tar(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => [
    header(file),
    file.content,
    Buffer.alloc((block - (file.content.length % block)) % block),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function header(file: TarFile): Buffer {
  const head = Buffer.alloc(block);
  head.write(file.path, 0, 100, "utf8");
  head.write(octal(file.mode ?? 0o644, 8), 100);
  head.write(octal(0, 8), 108);
  head.write(octal(0, 8), 116);
  head.write(octal(file.content.length, 12), 124);
  head.write(octal(0, 12), 136);
  head.write("        ", 148);
  head.write("0", 156);
  head.write("ustar\0", 257, "latin1");
  head.write("00", 263);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return head;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}
