/**
 * The milliseconds that a Retry-After asks to wait, from `now` (milliseconds since the epoch): seconds, or the time until an HTTP-date
 * (RFC 9110 §10.2.3). Undefined where there is none that can be read; 0 for a date that is past.
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  // Date.parse alone takes much that is no date of HTTP (RFC 9110 §5.6.7): all three forms begin with a day's name and hold a time.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d{2}:\d{2}:\d{2}/.test(text)) return undefined;
  // asctime's form names no zone; like the other two it is in UTC.
  const time = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : Math.max(0, time - now);
}
