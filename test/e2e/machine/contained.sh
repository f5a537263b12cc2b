#!/bin/sh
# contained.sh GROUP COMMAND...
#
# Runs a container engine, as the first process of new mount and PID namespaces, so that it leaves the machine as it
# was: what it writes outside of the directories it is given goes to memory, and its control groups, with all that its
# containers make of them (systemd takes the root it sees for its own), are below GROUP.
set -eu

if [ "$1" != --in-own-groups ]; then
  group=$1
  shift
  for path in /etc/docker /etc/cni/net.d /opt /run/containerd /run/docker /var/lib/containers; do
    mkdir -p "$path"
    mount -t tmpfs none "$path"
  done
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$group"
    # A cpuset without processors and memory takes no process (cgroup v1).
    for file in cpuset.cpus cpuset.mems; do
      if [ -e "$hierarchy/$group/$file" ] && [ ! -e "$hierarchy/cgroup.controllers" ]; then
        cat "$hierarchy/$file" > "$hierarchy/$group/$file"
      fi
    done
    echo 0 > "$hierarchy/$group/cgroup.procs"
  done
  exec unshare --cgroup "$0" --in-own-groups "$@"
fi
shift

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 none /sys/fs/cgroup
  # A group that gives controllers to others has no process of its own (cgroup v2, "no internal processes").
  mkdir -p /sys/fs/cgroup/engine
  echo 0 > /sys/fs/cgroup/engine/cgroup.procs
  sed 's/[^ ][^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
else
  mount -t tmpfs -o mode=755 none /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    directory=/sys/fs/cgroup/${controllers:-unified}
    directory=/sys/fs/cgroup/${directory##*[/=]}
    mkdir -p "$directory"
    if [ -n "$controllers" ]; then
      mount -t cgroup -o "$controllers" none "$directory"
    else
      mount -t cgroup2 none "$directory"
    fi
  done < /proc/self/cgroup
fi
exec "$@"
