#!/usr/bin/env bash
# Installs on Debian 12 what "npm run test:e2e" needs: the real container engines, clients and registry. Run it as root.
# Does nothing where all is there. No service is started by it.
set -euo pipefail

packages=(
  docker.io containerd runc crun iptables      # engines
  podman buildah skopeo                        # clients
  docker-registry apache2-utils                # the upstream, and htpasswd for its logins
  debootstrap                                  # makes the tree of a cluster's node and of the image's base
  curl openssl shellcheck
  libatomic1                                   # node 26 is linked with it
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "e2e-deps: everything is installed"
  exit 0
fi
if ((EUID != 0)); then
  echo "e2e-deps: run this as root; missing: ${missing[*]}" >&2
  exit 1
fi

# Debian starts the services that it installs, unless a policy answers 101, "forbidden". Ours is there for this installation only.
policy=/usr/sbin/policy-rc.d
if [[ -e $policy ]]; then
  mv "$policy" "$policy.e2e-deps"
  trap 'mv "$policy.e2e-deps" "$policy"' EXIT
else
  trap 'rm -f "$policy"' EXIT
fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 0755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
