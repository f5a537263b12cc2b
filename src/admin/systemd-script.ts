// Users pipe the script through sed before a shell runs it, which rewrites it line by line:
//   s/docker.service/containerd.service/g              another unit, in its drop-in's path and in what is restarted
//   /Environment/ s/$/ "NO_PROXY=..."/                 a second variable on the one line that holds this word
// So the word stands on one line alone and last on it, and "docker", any character, "service" only where the unit is meant.

/**
 * A POSIX sh script that makes a machine's container engine use the proxy: trusts the root, writes the unit's drop-in, restarts
 * it. `url` is the proxy's, without a slash at the end and of characters that mean nothing to a shell; `checksum` is the SHA-256 of
 * what `/ca.crt` gives, in hexadecimal.
 */
export function systemdScript(url: string, checksum: string): string {
  // Over TLS the certificate is our own, which the machine does not trust yet; the checksum came the way the script came.
  const insecure = url.startsWith("https:")
    ? { curl: " --insecure", wget: " --no-check-certificate" }
    : { curl: "", wget: "" };
  return `#!/bin/sh
# Makes this machine pull its images through ${url}/. Run it as root.
set -eu

fail() {
  echo "setup: $1" >&2
  exit 1
}

# A proxy that is already set must not stand between this machine and the new one.
fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl --noproxy '*' --fail --silent --show-error --retry 3${insecure.curl} --output "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget --no-proxy --quiet${insecure.wget} --output-document="$2" "$1"
  else
    fail "neither curl nor wget is installed"
  fi
}

trust() {
  if command -v update-ca-trust >/dev/null 2>&1; then
    # Red Hat and its relatives; Arch has the same tool and another directory.
    anchors=/etc/pki/ca-trust/source/anchors
    if [ ! -d "$anchors" ] && [ -d /etc/ca-certificates/trust-source/anchors ]; then
      anchors=/etc/ca-certificates/trust-source/anchors
    fi
    install_root "$1" "$anchors"
    update-ca-trust
  elif command -v update-ca-certificates >/dev/null 2>&1; then
    # Debian, Ubuntu, Alpine; SUSE has another directory.
    anchors=/usr/local/share/ca-certificates
    if [ -d /etc/pki/trust/anchors ]; then
      anchors=/etc/pki/trust/anchors
    fi
    install_root "$1" "$anchors"
    update-ca-certificates --fresh >/dev/null
  else
    fail "neither update-ca-certificates nor update-ca-trust is installed; install the package ca-certificates"
  fi
}

install_root() {
  mkdir -p "$2"
  cat "$1" >"$2/entrepot.crt"
  chmod 0644 "$2/entrepot.crt"
}

# In a function, so that a script that arrived in part does nothing.
main() {
  [ "$(id -u)" = 0 ] || fail "must run as root"
  command -v systemctl >/dev/null 2>&1 || fail "systemctl is not installed; this is for machines that run systemd"

  root=$(mktemp)
  trap 'rm -f "$root"' EXIT
  fetch '${url}/ca.crt' "$root" || fail "cannot fetch ${url}/ca.crt"
  [ "$(sha256sum <"$root" | cut -d ' ' -f 1)" = ${checksum} ] || fail "the certificate at ${url}/ca.crt is not the one this script is for"
  trust "$root"

  mkdir -p /etc/systemd/system/docker.service.d
  cat >/etc/systemd/system/docker.service.d/http-proxy.conf <<'DROP_IN'
[Service]
Environment="HTTPS_PROXY=${url}/"
DROP_IN

  systemctl daemon-reload
  systemctl restart docker.service
  echo "setup: docker.service pulls through ${url}/ now"
}

main
`;
}
