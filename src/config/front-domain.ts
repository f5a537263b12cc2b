import { isRepositoryName } from "../core/request.ts";
import { type Kind, no, quote, single } from "./kind.ts";
import { option } from "./option.ts";
import { boolean, choice, path, registryUrl } from "./scalars.ts";

/** What stands before every repository's name, without slashes around it; empty: nothing. */
const repositoryPrefix: Kind<string> = single({
  placeholder: "NAME",
  expects: "the beginning of a repository's name up to a slash, such as my-project/images",
  parse: (text) => {
    const bare = text.replace(/^\/+|\/+$/g, "");
    return bare === "" || isRepositoryName(bare) ? bare : no(`${quote(text)} is not accepted`);
  },
});

/** The value of an Authorization field. Nothing of one that is refused is repeated. */
const authorization: Kind<string> = single({
  placeholder: "VALUE",
  expects: "the value of an Authorization field: Basic and user:password in base64, or Bearer and a token",
  parse: (text) => {
    const [, scheme = "", value = ""] = /^(basic|bearer) +([A-Za-z0-9._~+/-]+=*)$/i.exec(text) ?? [];
    if (scheme === "") return no("its value (not shown) is neither Basic nor Bearer with one word after it");
    // RFC 7617 §2
    if (scheme.toLowerCase() === "basic" && !Buffer.from(value, "base64").includes(":"))
      return no("its value (not shown) is Basic, but what follows is no user:password in base64");
    return `${scheme.charAt(0).toUpperCase()}${scheme.slice(1).toLowerCase()} ${value}`;
  },
  show: () => "***",
});

/** Options of the custom-domain front. */
export const domainOptions = {
  registryHost: option({
    group: "Fronts",
    kind: registryUrl,
    help: "The registry that a custom-domain front stands for, such as gcr.io. Makes such a front where it is set.",
  }),
  repoPrefix: option({
    group: "Fronts",
    kind: repositoryPrefix,
    default: "",
    help: "What a custom-domain front puts before every repository's name: /v2/app is /v2/REPO_PREFIX/app at REGISTRY_HOST.",
  }),
  disableBrowserRedirects: option({
    group: "Fronts",
    kind: boolean,
    default: "false",
    help: "Whether a custom-domain front answers 404 to what is no registry request, in place of a redirect to the same path at REGISTRY_HOST.",
  }),
  authHeader: option({
    group: "Fronts",
    kind: authorization,
    secret: true,
    help:
      "The Authorization that a custom-domain front reads its registry with: what that may read, every client of the front may. " +
      "Pushes are refused then.",
  }),
  googleApplicationCredentials: option({
    group: "Fronts",
    kind: path,
    help: "A Google service account's JSON key, likewise. AUTH_HEADER goes before it; without a custom-domain front it is not read.",
  }),
  blobs: option({
    group: "Fronts",
    kind: choice("stream", "redirect"),
    default: "stream",
    help: "Whether a custom-domain front serves blobs itself, from the cache, or sends clients where the registry sends them.",
  }),
};
