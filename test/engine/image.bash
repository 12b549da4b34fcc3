# SPDX-License-Identifier: Apache-2.0
# A plugin with its pool in an image, $DRIVER, beside the ordinary one; tests may make others.

load killing
load installing

setup_file() {
  needs_xfs
  use_own_build
  export DRIVER=imaged
  make_plugin "$DRIVER" IMAGE=on
  docker plugin enable "$DRIVER"
}

teardown_file() { docker plugin rm -f "$DRIVER"; }

setup() {
  cd "$BATS_TEST_TMPDIR" || exit
  # shellcheck disable=SC2034 # for lib.bash
  log_start=$(wc -l <"$ENGINE/log")
  aim
  data=$(data_of "$DRIVER")
}

# The plugin of all tests is as it was made; others have gone.
teardown() {
  local status=0
  rm -f "$ENGINE"/data/filler.*
  docker version >/dev/null 2>&1 || engine restart
  [[ $(docker plugin inspect -f '{{.Enabled}}' "$DRIVER") == true ]] || docker plugin enable "$DRIVER" || status=1
  eventually plugin_answers || status=1
  finish || status=1
  docker plugin ls --format '{{.Name}}' | grep -vE '^(snapclone|imaged):' | xargs -r docker plugin rm -f
  return "$status"
}

# make_plugin NAME VARIANT: created, and not yet enabled. Its log is that of the debug level, which lib.bash listens to.
make_plugin() {
  plugin stage "$2"
  sed -i 's/"value": "info"/"value": "debug"/' "$SNAPCLONE_BUILD/plugin-image/config.json"
  echo "$1" >"$SNAPCLONE_BUILD/plugin-image/rootfs/tag"
  docker plugin create "$1" "$SNAPCLONE_BUILD/plugin-image"
}

# devices_of FILE: the loop devices that have it, known by its inode, a line each
devices_of() { losetup --noheadings --raw --output NAME --associated "$1"; }

one_device() {
  local device
  device=$(devices_of "$data/pool.img")
  prints 1 wc -l <<<"$device"
  prints "$device" mounted_at "$data/pool"
}

# The engine's mounts are shared, so the host may list one twice.
mounted_at() { findmnt -n -o SOURCE "$1" | sort -u; }

# copy_image PLUGIN PLUGIN: to one that was never enabled
copy_image() {
  mkdir -p "$(data_of "$2")"
  cp --sparse=always "$(data_of "$1")/pool.img" "$(data_of "$2")"
}

# host_bytes FILE: what it takes on the disk
host_bytes() { echo $(($(stat -c '%b * %B' "$1"))); }
