#!/usr/bin/env bash
# debian-packages.sh CALLER PACKAGE...: installs those Debian packages that are missing, as root. Does nothing where all are there.
# No service is started by it.
set -euo pipefail

caller=$1
shift

missing=()
for package in "$@"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "$caller: everything is installed"
  exit 0
fi
if ((EUID != 0)); then
  echo "$caller: run this as root; missing: ${missing[*]}" >&2
  exit 1
fi

# Debian starts the services that it installs, unless a policy answers 101, "forbidden". Ours is there for this installation only.
policy=/usr/sbin/policy-rc.d
if [[ -e $policy ]]; then
  mv "$policy" "$policy.$caller"
  trap 'mv "$policy.$caller" "$policy"' EXIT
else
  trap 'rm -f "$policy"' EXIT
fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 0755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
