# SPDX-License-Identifier: Apache-2.0
# Plugins whose pool is a directory of the host, beside the ordinary one: one on btrfs, one on xfs, and those of single
# tests. Their disks are images below $ENGINE, where the engine's stop unmounts what it finds.

load registry

setup_file() { prepare_pools btrfs xfs; }

# prepare_pools [DISK...]: file systems of these names, each with a plugin, and one without
prepare_pools() {
  local disk
  export DISKS=$ENGINE/disks
  mkdir "$DISKS"
  use_own_build
  for disk in "$@"; do
    ! disk "$disk" "$disk" || install_on "$disk"
  done
  disk more xfs || true
}

teardown_file() {
  local image
  for image in "$DISKS"/*.img; do
    docker plugin rm -f "snapclone-$(basename "$image" .img)" 2>/dev/null || true
    umount "${image%.img}"
  done
  rm -rf --one-file-system "$DISKS"
}

teardown() { finish_pools; }

# Whatever a test did: its own plugins are gone, and the two are as they were made.
finish_pools() {
  local status=0
  restore btrfs || status=1
  restore xfs || status=1
  finish || status=1
  rm -rf "$BATS_FILE_TMPDIR"/data/{more,small}
  docker plugin ls --format '{{.Name}}' | grep -vE '^snapclone(-btrfs|-xfs)?:' | xargs -r docker plugin rm -f
  rm -rf "$DISKS"/more/*
  stop_registry registry
  return "$status"
}

# stage TAG VARIANT: the engine refuses a plugin whose root file system another one has, so each gets a tag of its own. It
# says what lib.bash listens for.
stage() {
  plugin stage "$2"
  sed -i 's/"value": "info"/"value": "debug"/' "$(staged "$2")/config.json"
  echo "$1" >"$(staged "$2")/rootfs/tag"
}

# disk NAME TYPE [SIZE]: a new file system, mounted on $DISKS/NAME; fails where there is no such type
disk() {
  modprobe -q "$2" 2>/dev/null || true
  command -v "mkfs.$2" >/dev/null && grep -qw "$2" /proc/filesystems || return 1
  mkdir "$DISKS/$1"
  truncate -s "${3:-1G}" "$DISKS/$1.img"
  "mkfs.$2" -q "$DISKS/$1.img"
  mount_disk "$1"
}

mount_disk() { mount -o loop "$DISKS/$1.img" "$DISKS/$1"; }

# install_on DISK: as a user would
install_on() {
  stage "$1" POOL="$DISKS/$1"
  plugin install "snapclone-$1" POOL="$DISKS/$1"
  watch "$1" "$DISKS/$1"
}

# watch DISK POOL: "leftovers" finds what snapclone-DISK leaves behind.
watch() {
  local data=$BATS_FILE_TMPDIR/data/$1
  mkdir -p "$data"
  ln -sfn "$2" "$data/pool"
  ln -sfn "$(propagated "snapclone-$1")/mnt" "$data/mnt"
}

restore() {
  local enabled
  [[ -e $DISKS/$1.img ]] || return 0
  mountpoint -q "$DISKS/$1" || mount_disk "$1"
  if ! enabled=$(docker plugin inspect -f '{{.Enabled}}' "snapclone-$1" 2>/dev/null); then
    install_on "$1"
  elif [[ $enabled == false ]]; then
    docker plugin set "snapclone-$1" pool.source="$DISKS/$1" POOL="$DISKS/$1"
    docker plugin enable "snapclone-$1"
  fi
}

# The directory of the host that goes with a plugin.
propagated() { echo "$ENGINE/data/plugins/$(docker plugin inspect -f '{{.Id}}' "$1")/propagated-mount"; }

leftovers() {
  local data
  touch "$ENGINE/left-behind"
  for data in "$PLUGIN_DATA" "$BATS_FILE_TMPDIR"/data/*; do
    leftovers.py "$data"
  done | grep -vxFf "$ENGINE/left-behind"
}

# on DISK: this test is about the plugin with that pool, $DRIVER with $POOL
on() {
  [[ -e $DISKS/$1.img ]] || skip "there is no such file system here: its mkfs, or the kernel's part, is missing"
  DRIVER=snapclone-$1
  POOL=$DISKS/$1
}

# another [SETTING...]: this test is about a plugin of its own, with a new pool on xfs; it is not started yet
another() { another_on more "$@"; }

# another_on DISK [SETTING...]
another_on() {
  on "$1"
  POOL=$DISKS/$1/pool
  mkdir "$POOL"
  stage "$1" POOL="$POOL"
  docker plugin create "$DRIVER" "$SNAPCLONE_BUILD/plugin-pool"
  watch "$1" "$POOL"
  [[ $# -eq 1 ]] || docker plugin set "$DRIVER" "${@:2}"
}
