#!/usr/bin/env bash
# Points containerd in every server and agent of a k3d cluster at the proxy, all nodes at once. Restarts the nodes.
#
#   scripts/k3d.sh [CLUSTER]
#
# CLUSTER is "k3s-default" unless said otherwise. Environment:
#   PROXY_URL       where the nodes reach the proxy; http://docker-registry-proxy:3128 unless set, which is a container of
#                   that name in the cluster's network
#   NODE_NO_PROXY   what containerd asks directly; the ranges and names inside a cluster unless set
#   NODE_TIMEOUT    seconds that one node may take; 180 unless set
#
# Prints a line per node. Exits with 1 if a node failed, with 2 if there is nothing to do. May be run again at any time,
# and has to be after "k3d cluster stop" and "start", since k3d then writes the nodes' start script anew.
#
# A node of k3d has no systemd: k3s starts containerd itself and hands it the variables whose names begin with
# CONTAINERD_, so they are set where the node's start script is. A cluster that is yet to be made needs none of this:
#   k3d cluster create --env HTTPS_PROXY=URL@all --env NO_PROXY=LIST@all --volume "$PWD/ca.crt:/etc/ssl/certs/entrepot.pem@all"
set -euo pipefail

cluster=${1:-k3s-default}
proxy_url=${PROXY_URL:-http://docker-registry-proxy:3128}
no_proxy=${NODE_NO_PROXY:-localhost,127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,.svc,.cluster.local}
timeout=${NODE_TIMEOUT:-180}

complain() {
  printf 'k3d.sh: %s\n' "$1" >&2
  exit 2
}

proxy_url=${proxy_url%/}
# They end up in a file that a shell reads.
[[ $proxy_url =~ ^https?://[A-Za-z0-9.:_[-]+]?(:[0-9]+)?$ ]] || complain "PROXY_URL is no URL of a proxy: $proxy_url"
[[ $no_proxy =~ ^[A-Za-z0-9.:/,*_-]+$ ]] || complain "NODE_NO_PROXY has characters that no host or range has: $no_proxy"
for program in k3d docker timeout; do
  command -v "$program" > /dev/null || complain "$program is not on the PATH"
done

# Runs in the node, with busybox: no bash, no curl.
read -r -d '' in_node << 'SCRIPT' || true
set -eu
start=/bin/k3d-entrypoint.sh
settings=/etc/entrepot-proxy.env
root=/etc/ssl/certs/entrepot.pem
if [ ! -f "$start" ]; then
  echo "There is no $start in this node, so its environment cannot be changed: make the cluster anew with --env." >&2
  exit 1
fi
http_proxy='' HTTP_PROXY='' wget -q -T 30 -O "$root.new" "$1/ca.crt" || {
  rm -f "$root.new"
  echo "$1/ca.crt cannot be fetched from this node." >&2
  exit 1
}
grep -q 'BEGIN CERTIFICATE' "$root.new"
mv "$root.new" "$root"
printf 'export CONTAINERD_HTTPS_PROXY=%s\nexport CONTAINERD_NO_PROXY=%s\n' "$1" "$2" > "$settings"
grep -q "$settings" "$start" || sed -i "1a [ ! -f $settings ] || . $settings" "$start"
SCRIPT

# Runs in the node after its restart: is there a containerd that was started with the proxy?
read -r -d '' check_node << 'SCRIPT' || true
for process in /proc/[0-9]*; do
  [ "$(cat "$process/comm" 2> /dev/null)" = containerd ] || continue
  tr '\0' '\n' < "$process/environ" | grep -qxF "HTTPS_PROXY=$1" && exit 0
done
exit 1
SCRIPT

configure() {
  docker exec "$node" sh -c "$in_node" sh "$proxy_url" "$no_proxy"
  docker restart "$node"
  until docker exec "$node" sh -c "$check_node" sh "$proxy_url"; do
    sleep 1
  done
}
export -f configure
export in_node check_node proxy_url no_proxy

nodes=()
while IFS= read -r node; do
  [[ -z $node ]] || nodes+=("$node")
done < <(k3d node list --no-headers | awk -v cluster="$cluster" '$3 == cluster && ($2 == "server" || $2 == "agent") { print $1 }')
((${#nodes[@]} > 0)) || complain "the cluster \"$cluster\" has no nodes; k3d cluster list lists the clusters"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
pids=()
for index in "${!nodes[@]}"; do
  node=${nodes[index]} timeout "$timeout" bash -euo pipefail -c configure > "$logs/$index" 2>&1 < /dev/null &
  pids+=("$!")
done

failed=0
for index in "${!nodes[@]}"; do
  if wait "${pids[index]}"; then
    printf '%s: uses %s\n' "${nodes[index]}" "$proxy_url"
  else
    printf '%s: failed with exit code %s\n' "${nodes[index]}" "$?" >&2
    sed 's/^/    /' "$logs/$index" | tail -n 20 >&2
    failed=$((failed + 1))
  fi
done
if ((failed > 0)); then
  printf 'k3d.sh: %s of %s nodes failed\n' "$failed" "${#nodes[@]}" >&2
  exit 1
fi
