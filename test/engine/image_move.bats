# SPDX-License-Identifier: Apache-2.0
# Volumes that are moved from the pool's directory into an image, and back, with the program that lies in the plugin.

load lib
load installing

setup_file() {
  needs_xfs
  use_own_build
  start_registry "$BATS_FILE_TMPDIR/registry"
  export DRIVER=moved
  publish 1
  publish 1 IMAGE=8g
}

teardown_file() { stop_registry "$BATS_FILE_TMPDIR/registry"; }

teardown() { finish_installing; }

# With a volume, a snapshot of it, and a volume made of that.
installed() {
  install 1
  data=$(data_of "$DRIVER")
  move=("$data/../rootfs/usr/bin/snapclone" --pool "$data/pool" --image 8g --move-to)
  fill
}

# move_to image|directory: as docs/operations.md says
move_to() { "${move[@]}" "$1"; }

into_image() {
  docker plugin disable -f "$DRIVER"
  upgrade_to 1-image
  move_to image
}

lies_in_image() {
  [[ -f $data/pool.img ]]
  prints xfs stat -f -c %T "$data/pool"
}

lies_in_directory() {
  [[ ! -e $data/pool.img && ! -e $data/pool.img.reserve && ! -e $data/pool.moving ]]
  [[ $(stat -f -c %i "$data/pool") == $(stat -f -c %i "$data") ]]
}

# Nobody has the image, or what it was.
is_detached() { ! losetup --noheadings --raw --output BACK-FILE | grep -xE "$data/pool\.img( \(deleted\))?"; }

@test "moved into an image and back, every volume and snapshot shows the same" {
  installed
  into_image
  is_detached
  docker plugin enable "$DRIVER"
  lies_in_image
  is_unchanged
  prints true status seed pool.reflinks
  docker plugin disable -f "$DRIVER"
  move_to directory
  is_detached
  docker plugin enable "$DRIVER"
  lies_in_directory
  is_unchanged
}

@test "killed while it moves, the plugin does not start, and the same command goes on" {
  installed
  make_dev_large
  docker plugin disable -f "$DRIVER"
  upgrade_to 1-image
  kill_after_the_first image
  refuses_to_start "moving them has not ended"
  move_to image
  docker plugin enable "$DRIVER"
  lies_in_image
  is_unchanged
}

@test "killed while it moves, the opposite command brings back what was moved" {
  installed
  make_dev_large
  docker plugin disable -f "$DRIVER"
  upgrade_to 1-image
  kill_after_the_first image
  move_to directory
  is_detached
  docker plugin enable "$DRIVER"
  lies_in_directory
  is_unchanged
}

@test "of two moves at once the second is refused, in either direction, and the first loses nothing" {
  installed
  make_dev_large
  docker plugin disable -f "$DRIVER"
  upgrade_to 1-image
  mkfifo said
  "${move[@]}" image >said 2>&1 3>&- &
  exec {lines}<said
  grep -m 1 -F '(1 of 3)' <&"$lines" >/dev/null
  refused 'another "snapclone --move-to" is at work' move_to image
  refused 'another "snapclone --move-to" is at work' move_to directory
  cat <&"$lines" >/dev/null
  wait $!
  docker plugin enable "$DRIVER"
  lies_in_image
  is_unchanged
}

# So that it takes long enough to move for the kill to come in time.
make_dev_large() {
  run_in dev 'yes | head -c 600000000 >large'
  show >before
}

# kill_after_the_first image|directory: volume was moved
kill_after_the_first() {
  mkfifo said
  "${move[@]}" "$1" >said 2>&1 3>&- & # and not by a function, whose shell would be killed in its place
  grep -m 1 -F '(1 of 3)' <said >/dev/null
  kill -9 $!
  ! wait $!
  rm said
}

@test "while the plugin runs nothing is moved, out of a directory or an image" {
  installed
  refused "is in use by a plugin: disable it first" move_to image
  [[ ! -e $data/pool.img ]]
  into_image
  docker plugin enable "$DRIVER"
  refused "is in use by a plugin: disable it first" move_to directory
  is_unchanged
}

@test "while a container uses a volume or a clone nothing is moved" {
  installed
  start on-clone -v seed:/data
  docker plugin disable -f "$DRIVER"
  upgrade_to 1-image
  refused "containers still use them" move_to image
  [[ ! -e $data/pool.img ]]
  docker plugin enable "$DRIVER"
  end on-clone
  start on-volume -v db:/data
  docker plugin disable -f "$DRIVER"
  refused 'volume "db" cannot be moved: it is still in use' move_to image
  end on-volume
  move_to image
  docker plugin enable "$DRIVER"
  is_unchanged
}

@test "moved into an image, the ordinary plugin does not start, and forgets nothing" {
  installed
  docker plugin disable -f "$DRIVER"
  move_to image
  refuses_to_start "install the variant whose tag ends"
  move_to directory
  docker plugin enable "$DRIVER"
  is_unchanged
}
