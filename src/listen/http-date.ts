let second = 0;
let text = "";

/** Now, as Date has it (RFC 9110 §5.6.7). Made once a second. */
export function httpDate(): string {
  const now = Date.now();
  const current = now - (now % 1000);
  if (current !== second) {
    second = current;
    text = new Date(now).toUTCString();
  }
  return text;
}
