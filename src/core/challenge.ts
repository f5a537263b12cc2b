/** One challenge of a WWW-Authenticate header (RFC 9110 §11.6.1). The scheme is lower-case, so are the names of parameters. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;

/** All the challenges of a header, in order. A part that fits no grammar ends the reading; what stood before it counts. */
export function parseChallenges(header: string | undefined): Challenge[] {
  const challenges: Challenge[] = [];
  if (header === undefined) return challenges;
  const reader = new Reader(header);
  for (;;) {
    reader.skip(/[\s,]*/y);
    const scheme = reader.take(token);
    if (scheme === undefined) return challenges;
    // A token68 in place of parameters (RFC 9110 §11.2), as Negotiate and NTLM send it, is nothing that we use.
    reader.skip(/ +[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y);
    challenges.push({ scheme: scheme.toLowerCase(), parameters: readParameters(reader) });
  }
}

function readParameters(reader: Reader): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (;;) {
    const start = reader.position;
    reader.skip(/[\s,]*/y);
    const name = reader.take(token);
    // A token that no "=" follows is the next challenge's scheme.
    if (name === undefined || !reader.skip(/\s*=\s*/y)) {
      reader.position = start;
      return parameters;
    }
    const quoted = reader.take(/"(?:[^"\\]|\\.)*"/y);
    const value = quoted === undefined ? reader.take(token) : quoted.slice(1, -1).replace(/\\(.)/g, "$1");
    if (value === undefined) return parameters;
    parameters[name.toLowerCase()] = value;
  }
}

class Reader {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined || found === "") return undefined;
    this.position += found.length;
    return found;
  }

  skip(pattern: RegExp): boolean {
    return this.take(pattern) !== undefined;
  }
}

/** A challenge as header text; every value is quoted, as Docker's clients expect. */
export function formatChallenge(challenge: Challenge): string {
  const scheme = challenge.scheme.charAt(0).toUpperCase() + challenge.scheme.slice(1);
  const parameters = Object.entries(challenge.parameters).map(
    ([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`,
  );
  return parameters.length === 0 ? scheme : `${scheme} ${parameters.join(",")}`;
}
