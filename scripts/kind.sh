#!/usr/bin/env bash
# Points containerd in every node of a kind cluster at the proxy, all nodes at once.
#
#   scripts/kind.sh [CLUSTER]
#
# CLUSTER is "kind" unless said otherwise. Environment:
#   PROXY_URL       where the nodes reach the proxy; http://docker-registry-proxy:3128 unless set, which is a container of
#                   that name in the network "kind"
#   NODE_NO_PROXY   what containerd asks directly; the ranges and names inside a cluster unless set
#   NODE_TIMEOUT    seconds that one node may take; 120 unless set
#
# Prints a line per node. Exits with 1 if a node failed, with 2 if there is nothing to do. May be run again at any time.
set -euo pipefail

cluster=${1:-kind}
proxy_url=${PROXY_URL:-http://docker-registry-proxy:3128}
no_proxy=${NODE_NO_PROXY:-localhost,127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,.svc,.cluster.local}
timeout=${NODE_TIMEOUT:-120}

complain() {
  printf 'kind.sh: %s\n' "$1" >&2
  exit 2
}

proxy_url=${proxy_url%/}
# They end up in a shell command line and in a sed script.
[[ $proxy_url =~ ^https?://[A-Za-z0-9.:_[-]+]?(:[0-9]+)?$ ]] || complain "PROXY_URL is no URL of a proxy: $proxy_url"
[[ $no_proxy =~ ^[A-Za-z0-9.:/,*_-]+$ ]] || complain "NODE_NO_PROXY has characters that no host or range has: $no_proxy"
for program in kind docker timeout; do
  command -v "$program" > /dev/null || complain "$program is not on the PATH"
done

# Runs in the node, with bash. The script is fetched whole before the first line of it runs.
read -r -d '' in_node << 'SCRIPT' || true
set -euo pipefail
script=$(curl --fail --silent --show-error --noproxy '*' --max-time 30 "$1/setup/systemd")
printf '%s\n' "$script" \
  | sed 's/docker\.service/containerd.service/g' \
  | sed "/Environment/ s|\$| \"NO_PROXY=$2\"|" \
  | bash
systemctl is-active --quiet containerd.service
systemctl show --property Environment containerd.service | grep --quiet HTTPS_PROXY=
SCRIPT

nodes=()
while IFS= read -r node; do
  [[ -z $node ]] || nodes+=("$node")
done < <(kind get nodes --name "$cluster")
((${#nodes[@]} > 0)) || complain "the cluster \"$cluster\" has no nodes; kind get clusters lists the clusters"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
pids=()
for index in "${!nodes[@]}"; do
  timeout "$timeout" docker exec "${nodes[index]}" bash -c "$in_node" bash "$proxy_url" "$no_proxy" \
    > "$logs/$index" 2>&1 < /dev/null &
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
  printf 'kind.sh: %s of %s nodes failed\n' "$failed" "${#nodes[@]}" >&2
  exit 1
fi
