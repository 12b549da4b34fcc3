# SPDX-License-Identifier: Apache-2.0
# What an image takes of its host's disk, and the settings about it.

load lib
load image

@test "Status says where the image is, how large, and what it takes" {
  volume db
  prints '"/var/lib/snapclone/pool.img"' status db pool.image.file
  prints true status db pool.image.direct_io
  prints false status db pool.image.reserved
  [[ $(status db pool.image.size_bytes) -ge $((60 << 30)) ]]
  [[ $(status db pool.image.host_bytes) -ge $((60 << 20)) ]]
  [[ $(status db pool.image.offered_bytes) -lt $((20 << 30)) ]]
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
  make_plugin other IMAGE=2g
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
  copy_image other another
  DRIVER=another refuses_to_start 'install the variant whose tag ends in'
}

# fill_host BYTES: leaves so much free on the engine's disk, less than there is
fill_host() {
  local free
  free=$(($(stat -f -c '%a * %S' "$ENGINE/data")))
  fallocate -l "$((free - $1))" "$(mktemp "$ENGINE/data/filler.XXXXXX")"
}

offers_at_most() { [[ $(status "$1" pool.image.offered_bytes) -le $2 ]]; }

@test "on a full host a writer is told in time, nothing that write took is lost, and Create is refused" {
  volume work
  start box -v work:/data
  fill_host $((700 << 20))
  eventually offers_at_most work $((300 << 20))
  inside box 'yes "all of this" | dd of=/data/big bs=64k count=16000 iflag=fullblock 2>/tmp/message; grep -q "No space left" /tmp/message'
  sync -f "$(data_of "$DRIVER")/pool"
  echo 3 >/proc/sys/vm/drop_caches
  # shellcheck disable=SC2016 # for the container's shell
  inside box 'size=$(wc -c </data/big); [ $size -gt 10000000 ]; yes "all of this" | head -c $size | cmp - /data/big'
  # What was dirty may have been counted twice, so that there is some room again.
  fill_host $((400 << 20))
  eventually offers_at_most work $((10 << 20))
  refused 'there is no room for it' volume another
  rm "$ENGINE"/data/filler.*
  eventually volume another
}

# takes_at_most FILE BYTES
takes_at_most() { [[ $(host_bytes "$1") -le $2 ]]; }

@test "what is deleted in the pool comes back to the host by itself" {
  local image before
  image=$(data_of "$DRIVER")/pool.img
  volume work
  run_in work 'head -c 400000000 /dev/urandom >big; sync'
  before=$(host_bytes "$image")
  docker volume rm work
  LIMIT=60 eventually takes_at_most "$image" $((before - 350000000))
  volume work
  [[ $(status work pool.image.last_trim) == '"20'* ]]
}

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

no_deleted_image() { ! losetup --noheadings --output BACK-FILE | grep -F "pool.img (deleted)"; }

@test "docker plugin rm takes the image along, and its space" {
  make_plugin other IMAGE=1g
  docker plugin enable other
  image=$(data_of other)/pool.img
  docker plugin rm -f other
  [[ ! -e $image ]]
  eventually no_deleted_image
}
