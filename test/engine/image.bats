# SPDX-License-Identifier: Apache-2.0
# A pool in an image file: what it gives, and that there is never a second loop device of one image, whatever ends.

load lib
load killing
load installing

setup_file() {
  modprobe -q xfs 2>/dev/null || true
  grep -qw xfs /proc/filesystems || skip "this kernel has no xfs"
  use_own_build
  export DRIVER=imaged
  make_plugin "$DRIVER" IMAGE=on
  docker plugin enable "$DRIVER"
}

teardown_file() { docker plugin rm -f "$DRIVER"; }

setup() {
  cd "$BATS_TEST_TMPDIR" || exit
  log_start=$(wc -l <"$ENGINE/log")
  aim
  data=$(data_of "$DRIVER")
}

# The plugin of all tests is as it was made; others have gone.
teardown() {
  local status=0
  rm -f "$ENGINE/data/filler"
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

# device_of FILE: the numbers of all loop devices that have it, a line each
devices_of() { losetup --noheadings --raw --output NAME,BACK-INO,BACK-MAJ:MIN | awk -v file="$(stat -c '%i %Hd:%Ld' "$1")" '$2 " " $3 == file { print $1 }'; }

one_device() {
  prints 1 eval 'devices_of "$data/pool.img" | wc -l'
  prints "$(devices_of "$data/pool.img")" findmnt -n -o SOURCE "$data/pool"
}

# refuses_to_start SENTENCE
refuses_to_start() {
  local start
  start=$(wc -l <"$ENGINE/log")
  refused '' docker plugin enable "$DRIVER"
  tail -n "+$((start + 1))" "$ENGINE/log" >refusal
  grep -qF -- "$1" refusal && return 0
  echo "expected: $1"
  return 1
}

# host_bytes FILE: what it takes on the disk
host_bytes() { echo $(($(stat -c '%b * %B' "$1"))); }

# Containers on a clone and a volume write and sync all the time.
busy_writers() {
  volume db
  snapshot db seed
  volume work
  for container in on-clone on-volume; do
    start "$container" -v "$([[ $container == on-clone ]] && echo seed || echo work)":/data
    docker exec -d "$container" sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/data/new && sync && mv /data/new /data/count; sleep 0.05; done'
    eventually inside "$container" 'test -e /data/count'
  done
}

# Both go on, and nothing that they have written is lost.
writers_go_on() {
  local container before
  for container in on-clone on-volume; do
    before=$(inside "$container" 'cat /data/count')
    eventually has_counted "$container" "$((before + 2))"
  done
}

has_counted() { [[ $(inside "$1" 'cat /data/count') -ge $2 ]]; }

@test "with an image opening a large file for writing in a clone copies nothing, on ext4" {
  local before
  prints ext2/ext3 stat -f -c %T "$data"
  volume db
  run_in db 'dd if=/dev/zero of=large bs=1M count=300 2>/dev/null; sync'
  snapshot db seed
  sync -f "$data/pool"
  before=$(host_bytes "$data/pool.img")
  [[ $before -gt 300000000 ]]
  start box -v seed:/data
  inside box 'printf x | dd of=/data/large conv=notrunc 2>/dev/null; sync'
  sync -f "$data/pool"
  [[ $(host_bytes "$data/pool.img") -lt $((before + 10000000)) ]]
  prints x inside box 'head -c 1 /data/large'
  prints '' eval "run_in seed 'head -c 1 large' | tr -d '\\0'"
  prints null status seed first_write
}

@test "with an image clones are private, and snapshots never change" {
  fill
  start one -v seed:/data
  start two -v seed:/data
  inside one 'echo one >/data/greeting; rm -r /data/deep'
  prints hello inside two 'cat /data/greeting'
  end one two
  is_unchanged
}

@test "Status says where the image is, how large, and what it takes" {
  volume db
  prints '"/var/lib/snapclone/pool.img"' status db pool.image.file
  prints true status db pool.image.direct_io
  prints false status db pool.image.reserved
  [[ $(status db pool.image.size_bytes) -ge $((60 << 30)) ]]
  [[ $(status db pool.image.host_bytes) -ge $((60 << 20)) ]]
  [[ $(status db pool.image.offered_bytes) -lt $((20 << 30)) ]]
}

@test "the plugin's container keeps no device file of a disk" {
  prints '' find "/proc/$(plugin_process)/root/dev" -type b
  [[ ! -e /proc/$(plugin_process)/root/dev/loop-control ]]
}

@test "a killed plugin finds its image mounted, and containers go on" {
  busy_writers
  kill_plugin
  writers_go_on
  one_device
}

@test "after docker plugin disable --force the running containers go on, and enabling joins their image" {
  busy_writers
  device=$(devices_of "$data/pool.img")
  docker plugin disable -f "$DRIVER"
  writers_go_on
  prints "$device" devices_of "$data/pool.img"
  docker plugin enable "$DRIVER"
  one_device
  writers_go_on
  refused 'still in use by a container' snapshot work frozen
  end on-clone on-volume
}

@test "when the last container ends while the plugin is disabled, its loop device goes" {
  busy_writers
  docker plugin disable -f "$DRIVER"
  end on-clone on-volume
  eventually prints '' devices_of "$data/pool.img"
  docker plugin enable "$DRIVER"
  one_device
  run_in work 'test -e count'
}

@test "a killed engine finds its plugin's image" {
  busy_writers
  kill_engine
  one_device
  run_in work 'test -e count'
}

@test "an engine that is stopped and started attaches the image anew" {
  volume work
  run_in work 'echo kept >kept'
  restart_engine
  one_device
  prints kept run_in work 'cat kept'
}

@test "a dozen kills of the plugin leave one loop device" {
  local i
  volume work
  for i in {1..12}; do kill -KILL "$(plugin_process)" 2>/dev/null; sleep 1; done || true
  eventually is_started
  one_device
}

is_started() { plugin_answers || { docker plugin enable "$DRIVER"; plugin_answers; }; }

@test "two plugins have an image each" {
  make_plugin other IMAGE=2g
  docker plugin enable other
  volume work
  DRIVER=other volume others
  one_device
  data=$(data_of other)
  one_device
  docker volume rm others
}

@test "a copy of an image that is mounted is refused, and starts when the original has gone" {
  make_plugin other IMAGE=2g
  docker plugin enable other
  docker plugin disable other
  eventually prints '' devices_of "$(data_of other)/pool.img"
  make_plugin copied IMAGE=2g
  cp --sparse=always "$(data_of other)/pool.img" "$(data_of copied)/pool.img"
  docker plugin enable other
  DRIVER=copied refuses_to_start 'duplicate UUID'
  docker plugin disable other
  eventually prints '' devices_of "$(data_of other)/pool.img"
  docker plugin enable copied
}

@test "a damaged image is refused as it is, and starts again when it is mended" {
  make_plugin other IMAGE=2g
  docker plugin enable other
  DRIVER=other volume kept
  docker plugin disable -f other
  image=$(data_of other)/pool.img
  eventually prints '' devices_of "$image"
  dd if="$image" of=superblock bs=4096 count=1
  dd if=/dev/zero of="$image" bs=4096 count=1 conv=notrunc
  cp --sparse=always "$image" damaged
  DRIVER=other refuses_to_start 'holds the volumes and cannot be used'
  cmp "$image" damaged
  dd if=superblock of="$image" bs=4096 count=1 conv=notrunc
  docker plugin enable other
  only_volumes kept
  docker volume rm kept
}

@test "a larger IMAGE is taken at the next enable, under running containers; a smaller one is refused" {
  make_plugin other IMAGE=2g
  docker plugin enable other
  DRIVER=other volume work
  start box -v work:/data
  docker plugin disable -f other
  docker plugin set other IMAGE=3g
  docker plugin enable other
  prints 3221225472 status work pool.image.size_bytes
  docker plugin disable -f other
  docker plugin set other IMAGE=2g
  DRIVER=other refuses_to_start 'xfs cannot shrink'
  docker plugin set other IMAGE=on
  docker plugin enable other
  [[ $(status work pool.image.size_bytes) -ge $((60 << 30)) ]]
  end box
}

@test "an IMAGE that is not known earns a warning, and the default is used" {
  make_plugin other IMAGE=2g
  docker plugin set other IMAGE=tiny
  docker plugin enable other
  logged 'IMAGE=tiny is not known'
  DRIVER=other volume work
  prints 2147483648 status work pool.image.size_bytes
}

@test "IMAGE=off makes the pool a directory, and volumes stay where they are when it changes" {
  make_plugin other IMAGE=off-later
  docker plugin set other IMAGE=off
  docker plugin enable other
  DRIVER=other volume work
  run_in work 'echo kept >kept'
  prints null status work pool.image
  docker plugin disable -f other
  docker plugin set other IMAGE=on
  docker plugin enable other
  prints kept run_in work 'cat kept'
  [[ $(status work pool.no_image) == *"--move-to image"* ]]
}

@test "a plugin that may not open devices has a directory, and says why" {
  plugin stage IMAGE=2g
  sed -i 's/"allowAllDevices": true/"allowAllDevices": false/' "$SNAPCLONE_BUILD/plugin-image/config.json"
  echo other >"$SNAPCLONE_BUILD/plugin-image/rootfs/tag"
  docker plugin create other "$SNAPCLONE_BUILD/plugin-image"
  docker plugin enable other
  DRIVER=other volume work
  prints null status work pool.image
  [[ $(status work pool.no_image) == *"Operation not permitted"* ]]
  [[ -z $(find "$(data_of other)" -name 'pool.img*') ]]
}

@test "without the right to devices an image that exists is not ignored" {
  make_plugin other IMAGE=2g
  docker plugin enable other
  docker plugin disable other
  plugin stage IMAGE=2g
  sed -i 's/"allowAllDevices": true/"allowAllDevices": false/' "$SNAPCLONE_BUILD/plugin-image/config.json"
  echo another >"$SNAPCLONE_BUILD/plugin-image/rootfs/tag"
  docker plugin create another "$SNAPCLONE_BUILD/plugin-image"
  eventually prints '' devices_of "$(data_of other)/pool.img"
  cp --sparse=always "$(data_of other)/pool.img" "$(data_of another)/pool.img"
  DRIVER=another refuses_to_start 'Install the variant whose tag ends in "-image"'
}

# fill_host BYTES: leaves so much free on the engine's disk
fill_host() {
  local free
  free=$(($(stat -f -c '%a * %S' "$ENGINE/data")))
  fallocate -l "$((free - $1))" "$ENGINE/data/filler"
}

offers_at_most() { [[ $(status "$1" pool.image.offered_bytes) -le $2 ]]; }

@test "on a full host a writer is told in time, nothing that write took is lost, and Create is refused" {
  volume work
  start box -v work:/data
  fill_host $((1200 << 20))
  eventually offers_at_most work $((300 << 20))
  inside box 'cd /data; head -c 1000000000 /dev/urandom >big 2>message; wc -c <big >size; md5sum <big >sum; grep -q "No space left" message'
  inside box 'sync; echo 3 >/proc/sys/vm/drop_caches 2>/dev/null; md5sum </data/big | cmp - /data/sum || [ ! -s /data/sum ]'
  eventually refused 'No room' volume another
  rm "$ENGINE/data/filler"
  eventually volume another
}

@test "what is deleted in the pool comes back to the host by itself" {
  volume work
  run_in work 'head -c 400000000 /dev/urandom >big; sync'
  sync -f "$data/pool"
  before=$(host_bytes "$data/pool.img")
  docker volume rm work
  LIMIT=60 eventually takes_at_most $((before - 350000000))
  volume work
  [[ $(status work pool.image.last_trim) == '"20'* ]]
}

takes_at_most() { [[ $(host_bytes "$data/pool.img") -le $1 ]]; }

@test "IMAGE_RESERVE=on takes all space at once, and keeps it" {
  make_plugin other IMAGE=1g
  docker plugin set other IMAGE_RESERVE=on
  docker plugin enable other
  DRIVER=other volume work
  prints true status work pool.image.reserved
  [[ $(host_bytes "$(data_of other)/pool.img") -ge $((1 << 30)) ]]
  run_in work 'head -c 200000000 /dev/zero >big; sync; rm big; sync'
  fill_host $((100 << 20))
  run_in work 'head -c 200000000 /dev/urandom >big; sync'
  [[ $(host_bytes "$(data_of other)/pool.img") -ge $((1 << 30)) ]]
}

@test "docker plugin rm takes the image along, and its space" {
  make_plugin other IMAGE=1g
  docker plugin enable other
  image=$(data_of other)/pool.img
  docker plugin rm -f other
  [[ ! -e $image ]]
  eventually prints '' eval 'losetup --noheadings --output BACK-FILE | grep -F "pool.img (deleted)"'
}
