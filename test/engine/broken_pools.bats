# SPDX-License-Identifier: Apache-2.0
# Pools that are full, read-only or damaged. What is whole is served, what is not keeps its name and says what is wrong,
# and nothing is deleted.

load lib
load pools
load killing

setup_file() { prepare_pools; }

teardown() {
  local status=0
  finish_pools || status=1
  umount "$DISKS/small" 2>/dev/null || true
  # Its loop device is let go of a moment later.
  ! mountpoint -q "$DISKS/small-memory" || eventually umount "$DISKS/small-memory" || status=1
  rm -rf "$DISKS"/small*
  return "$status"
}

# small_pool SIZE [SETTING...]: a plugin with a pool on a disk of its own, ext4, which becomes read-only after an error
small_pool() {
  disk small ext4 "$1"
  mount -o remount,errors=remount-ro "$DISKS/small"
  another_on small "${@:2}"
  docker plugin enable "$DRIVER"
  aim
}

# Until nothing goes any more, down to a block.
fill() {
  local size i=0
  mkdir "$DISKS/small/fill"
  sync -f "$DISKS/small"
  for size in 1M 32K 1K; do
    while fallocate -l "$size" "$DISKS/small/fill/$((++i))" 2>/dev/null; do :; done
  done
}

all_fail_with() {
  refused "$1" volume new
  refused "$1" snapshot db new
  refused "$1" clone_of seed new
  refused "$1" run_in seed true
  only_volumes db seed work
}

@test "on a full disk nothing is lost, everything else fails with the reason, and room ends it" {
  small_pool 24M
  busy_container
  start other -v seed:/data
  inside other 'head -c 3m /dev/zero >/data/new'
  run_in db 'echo later >file'
  fill
  refused "No space left on device" inside box 'dd if=/dev/zero of=/data/new bs=1M count=1'
  all_fail_with "No space left on device"
  prints $'changed\nkept' inside box 'cat /data/file /plain/kept'
  docker cp box:/data/file got
  prints changed cat got
  start_again "$DRIVER"
  all_fail_with "No space left on device"
  prints $'changed\nkept' inside box 'cat /data/file /plain/kept'
  end other # its clone had taken some of the room
  inside box 'rm -f /data/new'
  eventually snapshot db new
  is_unharmed
  prints later run_in new 'cat file'
  prints $'original\ninner' run_in seed 'cat file dir/inner'
}

# What the kernel does after an error of the disk.
break_disk() {
  local device
  device=$(findmnt -n -o SOURCE "$DISKS/small")
  echo 1 >"/sys/fs/ext4/${device##*/}/trigger_fs_error"
}

mend_disk() {
  umount "$DISKS/small"
  # Containers that are just starting, of any engine, keep what was mounted: the read-only file system would be back.
  eventually prints '' losetup --noheadings --raw --output NAME --associated "$DISKS/small.img"
  e2fsck -fy "$DISKS/small.img" >fsck.log 2>&1 || [[ $? -eq 1 ]] # it has mended something
  mount_disk small
}

@test "on a disk that has become read-only nothing is lost, and the plugin waits until it is mended" {
  small_pool 24M
  busy_container
  start other -v seed:/data
  inside box sync
  break_disk
  refused "Read-only file system" inside box 'echo more >/data/new'
  all_fail_with "Read-only file system"
  refused "Read-only file system" docker volume rm db
  prints $'changed\nkept' inside box 'cat /data/file /plain/kept'
  docker cp box:/data/file got
  prints changed cat got
  docker stop box other
  docker plugin disable -f "$DRIVER"
  refused "while its file system is read-only" \
    timeout 20 "$SNAPCLONE_BUILD/snapclone" --socket it.sock --pool "$POOL"
  mend_disk
  docker plugin enable "$DRIVER"
  only_volumes db seed work
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  prints kept run_in work 'cat kept'
  snapshot work frozen
}

# A pool on ext4 without a journal, whose disk takes writes to new blocks only while it has room: room SIZE.
short_pool() {
  mkdir "$DISKS/small-memory" "$DISKS/small"
  mount -t tmpfs -o size=200m tmpfs "$DISKS/small-memory"
  fallocate -l 16M "$DISKS/small-memory/image"
  truncate -s 96M "$DISKS/small-memory/image"
  ln -s small-memory/image "$DISKS/small.img"
  mkfs.ext4 -q -b 4096 -O ^has_journal -E nodiscard "$DISKS/small.img"
  mount_disk small
  another_on small
  docker plugin enable "$DRIVER"
  aim
}

room() { mount -o "remount,size=$1" "$DISKS/small-memory"; }

# Another container's write to that disk fails, and only that container is told.
lose_write() {
  local used
  mkdir -p "$DISKS/small/others"
  used=$(df -k --output=used "$DISKS/small-memory" | tail -n 1)
  room "$((used + 1024))k"
  ! docker run --rm --network none -v "$DISKS/small/others:/others" test-image \
    dd if=/dev/zero of=/others/file bs=1M count=48 conv=fsync
  room 200m
  rm "$DISKS/small/others/file"
}

@test "a failed write of another container keeps no snapshot from being mounted or made, and no plugin from starting" {
  short_pool
  volume db
  run_in db 'echo sealed >file'
  snapshot db seed
  run_in db 'echo later >file'
  lose_write
  prints sealed run_in seed 'cat file'
  logged 'reports that a write failed'
  lose_write
  snapshot db second
  prints later run_in second 'cat file'
  docker plugin disable -f "$DRIVER"
  lose_write
  docker plugin enable "$DRIVER"
  only_volumes db second seed
  prints sealed run_in seed 'cat file'
  prints later run_in db 'cat file'
}

@test "a running clone hears of a failed write of another container, and a new one does not" {
  short_pool
  volume db
  run_in db 'echo kept >file'
  snapshot db seed
  snapshot db light -o medium=memory -o size=8m
  start box -v seed:/data -v light:/light -v db:/db
  inside box 'echo new >/data/new; sync /data/new'
  lose_write
  refused "sync: /data/new: No space left on device" inside box 'sync /data/new' # what that disk had said
  inside box 'echo new >/light/file && sync /light/file && echo new >/db/file && sync /db/file'
  prints new inside box 'cat /data/new'
  docker restart -t 0 box
  inside box 'echo new >/data/new; sync /data/new'
}

damage() {
  local record=$POOL/volumes/$1/volume.json
  cp "$record" "$1.json"
  case $1 in
    cut) truncate -s 40 "$record" ;;
    empty) : >"$record" ;;
    noise) head -c 300 /dev/urandom >"$record" ;;
    newer) sed -i 's/"record":1/"record":2/' "$record" ;;
    gone) rm "$record" ;;
    lost) mv "$POOL/layers/$(upper_of lost)" lost-layer ;;
  esac
}

upper_of() { grep -oP '"upper":"\K[a-z0-9]+' "$POOL/volumes/$1/volume.json"; }

@test "volumes whose records are damaged keep their names and say so, and nothing of any of them is touched" {
  local name broken=(cut empty noise newer gone lost)
  another
  docker plugin enable "$DRIVER"
  for name in "${broken[@]}" whole; do volume "$name"; done
  run_in cut 'echo sealed >file'
  snapshot cut seed
  run_in cut 'echo later >file'
  docker plugin disable -f "$DRIVER"
  for name in "${broken[@]}"; do damage "$name"; done
  ls "$POOL/layers" >before
  docker plugin enable "$DRIVER"
  only_volumes "${broken[@]}" whole seed
  for name in "${broken[@]}"; do
    status "$name" error | grep -F "volumes/$name/volume.json cannot be used"
    refused "cannot be used" docker volume rm "$name"
    refused "cannot be used" snapshot "$name" new
  done
  status newer error | grep -F 'it is of version 2'
  status lost error | grep -F 'is gone'
  refused "cannot be used" run_in cut true
  prints sealed run_in seed 'cat file'
  docker volume rm whole seed
  diff before <(ls "$POOL/layers")
  docker plugin disable -f "$DRIVER"
  for name in "${broken[@]}"; do cp "$name.json" "$POOL/volumes/$name/volume.json"; done
  mv lost-layer "$POOL/layers/$(upper_of lost)"
  docker plugin enable "$DRIVER"
  prints later run_in cut 'cat file'
  docker volume rm "${broken[@]}"
}
