# SPDX-License-Identifier: Apache-2.0
# What hostile containers leave in volumes and clones: it leads them nowhere, shows them nothing of others, and goes with
# what it was left in. On the ordinary plugin, whose pool is overlay's, and on pools on btrfs, xfs and by copy.

load lib
load pools

# trap CONTAINER WHAT: trap.py in its /data, with the capabilities that Docker gives to a container's root
trap_in() {
  local capabilities=-all capability
  for capability in audit_write chown dac_override fowner fsetid kill mknod net_bind_service net_raw setfcap setgid \
    setpcap setuid sys_chroot; do
    capabilities+=,+$capability
  done
  (cd "$(at "$1")" && setpriv --bounding-set "$capabilities" --inh-caps=-all trap.py "$2")
}

# Another volume, and a snapshot of it with a clone, that nobody else must see or lose.
others() {
  volume other
  run_in other 'echo "of others" >secret'
  snapshot other other-seed
  start bystander -v other-seed:/data
}

others_are_unharmed() {
  prints "of others" inside bystander 'cat /data/secret'
  prints "of others" run_in other 'cat secret'
  prints "of others" run_in other-seed 'cat secret'
}

# shows_nothing_of_others VOLUME: not as a copy of what a link leads to, either. Only files are read: /dev/zero has no end.
# find(1) may complain of a device with the numbers 0, 0, which an overlay lists and hides.
shows_nothing_of_others() {
  # shellcheck disable=SC2016 # for the container's shell
  run_in "$1" 'find . -type f -exec cat {} + >/tmp/content || true
    test -s /tmp/content && ! grep -q "of others" /tmp/content && test -z "$(find . -name secret -o -name volume.json)"'
}

leaves_everything() {
  others
  volume db
  start box -v db:/data
  trap_in box everything
  manifest box >before
  snapshot db live -o live=true
  end box
  snapshot db seed
  clone_of seed dev
  snapshot db quick -o medium=memory -o size=64m
  start reader -v seed:/data -v dev:/dev-data -v live:/live-data -v quick:/quick-data
  diff before <(manifest reader)
  diff before <(manifest reader /dev-data)
  diff before <(manifest reader /live-data)
  # On btrfs and copy pools an overlay in memory hides a device with the numbers 0, 0.
  diff <(grep -v whiteout before) <(manifest reader /quick-data | grep -v whiteout)
  end reader
  for name in db seed dev live quick; do
    shows_nothing_of_others "$name"
    docker volume rm "$name"
  done
  others_are_unharmed
}

leaves_a_deep_tree() {
  others
  volume db
  start box -v db:/data
  trap_in box deep
  snapshot db live -o live=true
  end box
  snapshot db seed
  start box -v seed:/data
  trap_in box deep 2>/dev/null || true # there is one already
  for name in db live seed; do
    run_in "$name" 'cd -P d/d/d/d && test -d d'
  done
  end box
  docker volume rm db live seed
  others_are_unharmed
}

# A directory becomes a link to what is the plugin's own, and back, all the time.
swaps_links() {
  local i
  others
  volume db
  start box -v db:/data
  # shellcheck disable=SC2016 # for the container's shell
  inside box 'cd /data; for i in $(seq 200); do mkdir $i; echo mine >$i/file; done'
  # shellcheck disable=SC2016
  docker exec -d box sh -c 'cd /data; while true; do for i in $(seq 200); do
    mv $i aside; ln -s /var/lib/snapclone/pool $i; rm $i; mv aside $i; done; done'
  for i in 1 2 3; do
    snapshot db "seed$i" -o live=true
    shows_nothing_of_others "seed$i"
  done
  end box
  others_are_unharmed
}

# What is mounted inside is another volume's.
freezes_around_a_mount() {
  others
  volume db
  start box -v db:/data -v other:/data/inner
  inside box 'echo mine >/data/file; cat /data/inner/secret'
  snapshot db seed -o live=true
  shows_nothing_of_others seed
  prints $'file\ninner' run_in seed 'ls -A'
  prints "" run_in seed 'ls -A inner'
  others_are_unharmed
}

by_copy() {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  "$@"
}

@test "everything hostile in a volume stays there, and goes with it" { leaves_everything; }
@test "everything hostile in a volume on btrfs stays there, and goes with it" { on btrfs; leaves_everything; }
@test "everything hostile in a volume that is copied stays there, and goes with it" { by_copy leaves_everything; }

@test "a tree deeper than any path is frozen, cloned and removed" { leaves_a_deep_tree; }
@test "a tree deeper than any path is copied and removed where trees are copied" { by_copy leaves_a_deep_tree; }

@test "links that are swapped in while a volume is frozen lead nowhere" { swaps_links; }
@test "links that are swapped in while a volume is copied lead nowhere" { by_copy swaps_links; }

@test "a volume that is mounted inside another one is not frozen with it" { freezes_around_a_mount; }

@test "a device file in a clone opens nothing" {
  volume db
  start box -v db:/data
  trap_in box everything
  end box
  snapshot db seed
  refused "Operation not permitted" run_in seed 'chmod 700 . && head -c 1 special/disk'
  refused "Operation not permitted" run_in db 'chmod 700 . && head -c 1 special/disk'
}

@test "a container deletes no subvolume but those in its own clone" {
  on btrfs
  others
  start box -v other-seed:/data
  trap_in box subvolume
  prints "deleted 0" trap_in box delete-subvolumes
  others_are_unharmed
}

@test "a name made for terminals and logs is written out in the refusal and in the log" {
  on btrfs
  volume db
  start box -v db:/data
  trap_in box subvolume
  refused 'mine\x0alevel=error msg=forged\x1b[2J' snapshot db seed
  end box
  eventually logged forged
  [[ $(log_of_the_test) != *$'\nlevel=error msg=forged'* && $(log_of_the_test) != *$'\x1b'* ]]
}

@test "a file with more attributes than can be listed is named, and keeps nothing but its volume from being copied" {
  on xfs
  others
  volume db
  start box -v db:/data
  trap_in box flood
  refused 'flooded\x0alevel=error msg=forged\x1b[2J: Argument list too long' snapshot db live -o live=true
  end box
  snapshot db seed
  run_in seed 'ls'
  docker volume rm db seed
  others_are_unharmed
}
