/** Header values as node:http has them. */
export type HeaderFields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** One request and its answer, on the clients' side or the upstream's; whoever keeps it redacts it first. */
export interface HttpEvent {
  readonly method: string;
  readonly host: string;
  /** May still have its query. */
  readonly path: string;
  /** Undefined where no answer came. */
  readonly status: number | undefined;
  readonly requestHeaders: HeaderFields;
  readonly responseHeaders: HeaderFields;
  /** Milliseconds from the request's head to the end of the answer. */
  readonly ms: number;
}

/** An event without anything that opens something, its texts of bounded length. */
export interface RedactedEvent extends Omit<HttpEvent, "requestHeaders" | "responseHeaders"> {
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly responseHeaders: Readonly<Record<string, string>>;
}

const hidden = "***";
const longestText = 500;
const mostFields = 64;
/** What is longer is not looked into: the patterns below take the square of a text's length, and a cut could hide where a secret ends. */
const longestSearched = 4096;

/** What a field is called that carries a credential. Rather one too many: a page that hides a harmless value does no harm. */
const secretName =
  /auth|cookie|token|signature|secret|passw|passphrase|credential|session|jwt|api-?key|private|assertion|-key\b|^key\b|^x-amz-|\bsig\b/i;
/** Challenges are named after what they ask for and hold none of it (RFC 9110 §11.6.1). */
const challengeName = /^(?:www|proxy)-authenticate$/i;
/** Fields whose whole value is a URI reference: everything after the path goes. */
const uriName = /^(?:content-)?location$|^referr?er$|^origin$|^refresh$/i;
const knownScheme = /^\s*(basic|bearer|digest|negotiate|ntlm|aws4-hmac-sha256)\s/i;

/** An event that may be kept and shown. */
export function redactEvent(event: HttpEvent): RedactedEvent {
  return {
    method: clip(event.method),
    host: clip(event.host.slice(event.host.lastIndexOf("@") + 1)),
    path: redactTarget(event.path),
    status: event.status,
    requestHeaders: redactHeaders(event.requestHeaders),
    responseHeaders: redactHeaders(event.responseHeaders),
    ms: event.ms,
  };
}

/** Fields with their credentials, queries and user information hidden; at most 64 of them, each clipped. */
export function redactHeaders(headers: HeaderFields): Record<string, string> {
  const shown: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    if (shown.length === mostFields) break;
    shown.push([clip(name), redactField(name, typeof value === "object" ? value.join(", ") : String(value))]);
  }
  // Not by assignment: a field may be called __proto__.
  return Object.fromEntries(shown);
}

/** A request target without query, fragment and user information. */
export function redactTarget(target: string): string {
  const end = target.search(/[?#]/);
  const path = end === -1 ? target : target.slice(0, end);
  return path.length > longestSearched ? unread(path) : clip(withoutUserInfo(path));
}

function redactField(name: string, value: string): string {
  if (value.length > longestSearched) return unread(value);
  if (challengeName.test(name)) return clip(withoutQueries(value));
  if (secretName.test(name)) {
    const scheme = /authorization$/i.test(name) ? knownScheme.exec(value)?.[1] : undefined;
    return scheme === undefined ? hidden : `${scheme} ${hidden}`;
  }
  if (uriName.test(name)) return redactTarget(value);
  return clip(withoutSecrets(withoutQueries(value)));
}

/** A query ends where its URI does: at white space, a quote or an angle bracket. Commas and semicolons belong to it (RFC 3986 §3.4). */
function withoutQueries(text: string): string {
  return withoutUserInfo(text).replace(/\?[^\s"<>]*/g, `?${hidden}`);
}

/** RFC 3986 §3.2.1; the last "@" before the path ends it, as URL parsers have it. */
function withoutUserInfo(text: string): string {
  return text.replace(/\/\/[^/\s"<>?#]*@/g, `//${hidden}@`);
}

/** Credentials in a field that is not called after one. */
function withoutSecrets(text: string): string {
  return text
    .replace(/\b(basic|bearer)\s+[^\s,;"]+/gi, `$1 ${hidden}`)
    .replace(
      /\b[\w-]*(?:token|signature|secret|passw(?:or)?d|credential|api-?key|\bsig)["']?\s*[=:]\s*(?:"[^"]*"?|[^\s,;&"]+)/gi,
      hidden,
    )
    .replace(/\beyJ[\w-]+\.[\w.-]*/g, hidden);
}

function unread(text: string): string {
  return `${hidden} (${text.length} characters)`;
}

/** A copy, since a slice would keep the whole of a long text in memory. */
function clip(text: string): string {
  return text.length <= longestText ? text : `${Buffer.from(text.slice(0, longestText)).toString()}…`;
}
