import { accountOptions } from "./accounts.ts";
import { mirrorOptions } from "./front-mirror.ts";
import { single, no } from "./kind.ts";
import { option } from "./option.ts";
import { boolean, registryUrl } from "./scalars.ts";

/** A word that stands in a challenge between quotes. */
const serviceName = single({
  placeholder: "NAME",
  expects: "a word of up to 128 letters, digits, '.', '_', ':', '/' and '-'",
  parse: (text) => (/^[\w.:/-]{1,128}$/.test(text) ? text : undefined),
});

const tokenService = single({
  placeholder: "URL",
  expects:
    "the https:// or http:// URL of a token service, such as https://auth.docker.io; without a path it is the path that the registry's challenge names",
  parse: (text) => {
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
    const url = new URL(text);
    if (url.username !== "" || url.password !== "") no("its value (not shown) holds a user or password");
    return url.search === "" && url.hash === "" ? url : undefined;
  },
  show: String,
});

const secretText = single({ placeholder: "TEXT", expects: "any text", parse: (text) => text, show: () => "***" });

/** Options of the image proxy with accounts. */
export const imageOptions = {
  ...mirrorOptions,
  selfRegistry: option({
    group: "Fronts",
    kind: registryUrl,
    help: "The URL under which clients reach the image proxy, which is on when this is set: what they log in to, pull from and push to, in front of UPSTREAM_REGISTRY.",
  }),
  selfAuthService: option({
    group: "Fronts",
    kind: serviceName,
    default: "docker-image-proxy",
    help: "What an image proxy calls its own token service: for registries that have none, and in the tokens that it signs.",
  }),
  ...accountOptions,
  skipAuthProxy: option({
    group: "Fronts",
    kind: boolean,
    default: "false",
    help: "true: an image proxy leaves the registry's challenges as they are, and clients fetch tokens where those say.",
  }),
  serverSecret: option({
    group: "Fronts",
    kind: secretText,
    secret: true,
    otherwise: "made from the CA's key",
    help: "What an image proxy signs its tokens with; several instances behind one name have the same.",
  }),
  authService: option({
    group: "Fronts",
    kind: tokenService,
    otherwise: "what the registry's challenge names",
    help: "The token service of an image proxy's registry, where it is not to be the one that the registry names (https://auth.docker.io for Docker Hub).",
  }),
};
