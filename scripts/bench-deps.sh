#!/usr/bin/env bash
# Installs on Debian 12 what "npm run bench" needs for all of its contenders. Run it as root.
# Does nothing where all is there. No service is started by it.
set -euo pipefail

packages=(
  nginx libnginx-mod-stream # the upstream, and a contender; the module for its tunnels
  squid-openssl             # a contender
  docker-registry           # likewise
  openssl util-linux        # certificates; taskset
)

exec bash "$(dirname "$0")/debian-packages.sh" bench-deps "${packages[@]}"
