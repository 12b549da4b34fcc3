# SPDX-License-Identifier: Apache-2.0
# A pool in an image file: what it gives, and that there is never a second loop device of one image, whatever ends.

load lib
load image

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

@test "the plugin's container keeps no device file of a disk" {
  prints '' find "/proc/$(plugin_process)/root/dev" -type b
  [[ ! -e /proc/$(plugin_process)/root/dev/loop-control ]]
}

# in_its_group COMMAND...: in the control group that decides about the plugin's devices
in_its_group() {
  local own kind=(-t cgroup -o devices) status=0
  own=$(grep '/snapclone/plugin$' "/proc/$(plugin_process)/cgroup") || return 1
  [[ $own != 0::* ]] || kind=(-t cgroup2)
  mkdir -p groups
  mount "${kind[@]}" groups groups
  # shellcheck disable=SC2016 # for the inner shell
  sh -c 'echo 0 >"$0/cgroup.procs" && "$@"' "groups/${own#*:*:}" "$@" || status=$?
  umount groups
  return "$status"
}

@test "once it has started the plugin can open no device, and make any" {
  # shellcheck disable=SC2016 # for the inner shell
  in_its_group sh -c 'mknod made c 1 5 && ! (: <made) 2>message && mknod disk b 7 0 && ! (: <disk) 2>>message'
  [[ $(grep -c 'Operation not permitted' message) -eq 2 ]]
  volume db
  run_in db 'mknod node c 1 3 && echo >node'
  snapshot db seed
  run_in seed 'mknod other c 1 3 && echo >other && rm node'
  end_of_own_groups
}

# The plugin sees no control group that it could leave to.
end_of_own_groups() {
  local pid
  pid=$(plugin_process)
  [[ $(readlink "/proc/$pid/ns/cgroup") != $(readlink /proc/self/ns/cgroup) ]]
  ! grep -E ' - cgroup2? ' "/proc/$pid/mountinfo"
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
  volume work
  for _ in {1..12}; do
    kill -KILL "$(plugin_process)" 2>/dev/null || true
    sleep 1
  done
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
  copy_image other copied
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
