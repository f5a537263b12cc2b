/**
 * Gives the memory of a piece back at once, where it is the piece's alone; the piece is empty afterwards. To be called by its last reader,
 * for what node's streams made: left to the garbage collector, such memory starts a full mark of the heap for every few dozen MiB that pass, and
 * is new to the processor's cache and to the kernel each time.
 */
export function giveBack(piece: Buffer): void {
  const { buffer } = piece;
  const isAlone = buffer.byteLength === piece.byteLength && piece.byteLength > 0;
  if (isAlone && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
