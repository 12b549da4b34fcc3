#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What test/service/run has systemd run, in a system with an engine and the package, after both were started. A line for
# each test; the last one is "end".
export PATH=/usr/sbin:/usr/bin

# it DOES COMMAND...
it() {
  name=$1
  shift
  if "$@" >/run/output 2>&1; then
    echo "ok $name"
  else
    echo "not ok $name"
    sed 's/^/# /' /run/output
    journalctl -u snapclone --no-pager | tail -n 20 | sed 's/^/# /'
  fi
}

# prints TEXT COMMAND...
prints() {
  expected=$1
  shift
  got=$("$@" 2>&1)
  [ "$got" = "$expected" ] && return
  echo "$*: expected \"$expected\", got \"$got\""
  return 1
}

when() { systemctl show --value -p "$2TimestampMonotonic" "$1"; }

run() { docker run --rm --network none "$@"; }

pid() { systemctl show --value -p MainPID snapclone; }

is_active() { systemctl is-active --quiet snapclone; }

replaced() {
  for _ in $(seq 50); do
    is_active && [ "$(pid)" != "$1" ] && return
    sleep 0.2
  done
  return 1
}

clone_is_there() {
  prints changed docker exec one cat /data/file && prints original run -v seed:/data image cat /data/file
}

is_ready_before_the_engine() {
  [ "$(when snapclone ActiveEnter)" -lt "$(when docker ExecMainStart)" ]
}

serves_the_engine() {
  docker volume create -d snapclone db &&
    run -v db:/data image sh -c 'echo original >/data/file' &&
    docker volume create -d snapclone -o snapshot-of=db seed &&
    docker run -d --network none --name one -v seed:/data image sleep 600 &&
    docker exec one sh -c 'echo changed >/data/file' && clone_is_there &&
    prints overlay docker volume inspect -f '{{.Status.backend}}' seed
}

survives() {
  before=$(pid)
  "$@" && replaced "$before" && clone_is_there
}

changes_a_setting() {
  echo LOG_LEVEL=debug >/etc/default/snapclone && survives systemctl restart snapclone &&
    journalctl -u snapclone | grep -q 'debug\|Get '
}

is_known_after_the_engine_restarts() {
  systemctl restart docker && prints "db
seed" docker volume ls -q && prints original run -v seed:/data image cat /data/file
}

# What a process in the unit's control group may do. Opening reads nothing, and waits for nothing.
opens_loop_devices_and_no_other() {
  # shellcheck disable=SC2016 # for the inner shell
  sh -c '
    echo $$ >/sys/fs/cgroup/system.slice/snapclone.service/cgroup.procs && mkdir /dev/made && cd /dev/made &&
      mknod loop-control c 10 237 && mknod loop b 7 0 && mknod log c 1 11 && mknod disk b 8 0 || exit 1
    for device in log disk; do
      (: <"$device") 2>&1 | grep "Operation not permitted" || exit 1
    done
    for device in loop-control loop; do
      ! (: <"$device") 2>&1 | grep "Operation not permitted" || exit 1
    done'
}

is_removed_without_its_volumes() {
  docker rm -f one && dpkg -r snapclone && ! systemctl is-active --quiet snapclone &&
    dpkg -P snapclone && [ -e /var/lib/snapclone/pool/volumes/db/volume.json ]
}

mkdir -p /run/image/bin
cp /mnt/busybox /run/image/bin/busybox
for tool in sh cat sleep echo; do ln -s busybox "/run/image/bin/$tool"; done
tar -C /run/image -c . | docker import - image >/dev/null

it "is ready before the engine starts" is_ready_before_the_engine
it "serves the engine from its unit" serves_the_engine
it "is restarted under a running container" survives systemctl restart snapclone
it "is started again when it was killed, under a running container" survives systemctl kill -s KILL snapclone
it "is upgraded under a running container" survives dpkg -i /mnt/snapclone_*.deb
it "takes its settings from its file" changes_a_setting
it "is known to the engine after that was restarted" is_known_after_the_engine_restarts
it "opens loop devices and no other ones, and makes any" opens_loop_devices_and_no_other
it "is removed and purged, and its volumes stay" is_removed_without_its_volumes
echo end
