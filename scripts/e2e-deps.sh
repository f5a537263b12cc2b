#!/usr/bin/env bash
# Installs on Debian 12 what "npm run test:e2e" needs: the real container engines, clients and registry. Run it as root.
# Does nothing where all is there. No service is started by it.
set -euo pipefail

packages=(
  docker.io containerd runc crun iptables      # engines
  podman buildah skopeo                        # clients
  docker-registry apache2-utils                # the upstream, and htpasswd for its logins
  chromium                                     # follows the redirects of a front
  debootstrap                                  # makes the tree of a cluster's node and of the image's base
  curl openssl shellcheck
  libatomic1                                   # node 26 is linked with it
)

exec bash "$(dirname "$0")/debian-packages.sh" e2e-deps "${packages[@]}"
