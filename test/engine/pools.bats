# SPDX-License-Identifier: Apache-2.0
# A pool that is a directory of the host, on a disk of its own, which may be missing or another one at a start.

load lib
load pools

# The command that the refusal names, for this plugin.
repair() {
  local settings
  read -ra settings < <(grep -oP -m 1 'docker plugin set \S+ \K.*(?= && docker plugin enable)' refusal)
  docker plugin set "$DRIVER" "${settings[@]}"
  docker plugin enable "$DRIVER"
}

clones_are_private() {
  fill
  start one -v seed:/data
  start two -v seed:/data
  inside one 'echo one >/data/greeting; rm -r /data/deep; echo one >/data/new'
  inside two 'echo two >/data/greeting'
  prints $'one\none' inside one 'cat /data/greeting /data/new'
  prints two inside two 'cat /data/greeting; ls -d /data/new 2>/dev/null; ls /data/deep >/dev/null'
  prints 2 status seed clones
  end one two
  is_unchanged
}

clones_of_persist() {
  fill
  run_in dev 'echo kept >kept; echo changed >greeting'
  prints $'kept\nchanged\nof dev' run_in dev 'cat kept greeting mine'
  prints hello run_in seed 'cat greeting'
  snapshot dev frozen
  prints $'kept\nchanged' run_in frozen 'cat kept greeting'
  docker volume rm frozen seed db
  prints $'kept\nchanged' run_in dev 'cat kept greeting'
}

backend_is() { prints "\"$1\"" status seed backend; }

data_lie_in_the_pool() {
  volume db
  run_in db 'echo x >needle; echo y >"needle 2"'
  snapshot db seed
  [[ -n $(find "$POOL" -name needle) ]]
  [[ -z $(find "$(propagated "$DRIVER")" -name 'needle*') ]]
  [[ ! -e $(propagated "$DRIVER")/pool ]]
}

survives_restarts() {
  fill
  start box -v seed:/data
  restart_engine
  eventually only_volumes db seed dev >/dev/null
  is_unchanged
  docker rm box
  docker plugin disable -f "$DRIVER"
  only_volumes
  docker plugin enable "$DRIVER"
  is_unchanged
}

refuses_another_pool() {
  fill
  mkdir other
  docker plugin disable -f "$DRIVER"
  docker plugin set "$DRIVER" pool.source="$PWD/other"
  refuses_to_start "is not the pool that this plugin has used so far"
  [[ -z $(ls -A other) ]]
  repair
  is_unchanged
}

refuses_an_unmounted_disk() {
  fill
  docker plugin disable -f "$DRIVER"
  umount "$POOL"
  refuses_to_start "is not the pool that this plugin has used so far"
  [[ -z $(ls -A "$POOL") ]]
  mount_disk "${DRIVER#snapclone-}"
  docker plugin enable "$DRIVER"
  is_unchanged
}

outlives_the_plugin() {
  fill
  start box -v seed:/data
  refused "containers use volumes of the plugin" plugin uninstall "$DRIVER"
  docker stop box
  plugin uninstall "$DRIVER" >out
  grep -qF "volumes stay in $POOL: db, dev, seed." out
  only_volumes
  stage again POOL="$POOL"
  plugin install "$DRIVER" POOL="$POOL" >out
  grep -qF "has found these: db, dev, seed" out
  docker rm box
  is_unchanged
}

@test "every container gets a clone of its own on btrfs" { on btrfs; clones_are_private; backend_is btrfs; }
@test "every container gets a clone of its own on xfs" { on xfs; clones_are_private; backend_is overlay; }

@test "a clone-of volume persists on btrfs" { on btrfs; clones_of_persist; }
@test "a clone-of volume persists on xfs" { on xfs; clones_of_persist; }

@test "the data lie in the pool on btrfs, and not in the plugin's own directory" { on btrfs; data_lie_in_the_pool; }
@test "the data lie in the pool on xfs, and not in the plugin's own directory" { on xfs; data_lie_in_the_pool; }

@test "a pool on btrfs survives restarts of the engine and of the plugin" { on btrfs; survives_restarts; }
@test "a pool on xfs survives restarts of the engine and of the plugin" { on xfs; survives_restarts; }

@test "with a pool on btrfs the plugin refuses another, and says what repairs it" { on btrfs; refuses_another_pool; }
@test "with a pool on xfs the plugin refuses another, and says what repairs it" { on xfs; refuses_another_pool; }

@test "with a pool on xfs the plugin refuses to start without the disk" { on xfs; refuses_an_unmounted_disk; }

@test "a pool on btrfs outlives its plugin, and the next one finds the volumes" { on btrfs; outlives_the_plugin; }
@test "a pool on xfs outlives its plugin, and the next one finds the volumes" { on xfs; outlives_the_plugin; }

@test "an engine that starts before the disk is mounted leaves the plugin off, and forgets nothing" {
  on xfs
  fill
  umount -l "$POOL"
  restart_engine
  prints false docker plugin inspect -f '{{.Enabled}}' "$DRIVER"
  [[ -z $(ls -A "$POOL") ]]
  mount_disk xfs
  docker plugin enable "$DRIVER"
  is_unchanged
}

@test "after an upgrade that resets where the pool is the plugin waits to be told, and forgets nothing" {
  local default=$DISKS/more/default mine=$DISKS/more/mine
  on more
  mkdir -p "$default" "$mine"
  start_registry "$PWD/registry"
  publish 1 POOL="$default"
  publish 2 POOL="$default"
  docker plugin install --alias "$DRIVER" --grant-all-permissions "$REGISTRY/snapclone:1-pool" \
    pool.source="$mine" POOL="$mine"
  fill
  docker plugin disable -f "$DRIVER"
  docker plugin upgrade --grant-all-permissions --skip-remote-check "$DRIVER" "$REGISTRY/snapclone:2-pool"
  prints 2 cat "$(propagated "$DRIVER")/../rootfs/tag"
  refuses_to_start "is not the pool that this plugin has used so far"
  grep -qF "pool.source=$mine" refusal
  [[ -z $(ls -A "$default") ]]
  repair
  is_unchanged
}

@test "BACKEND=copy makes clones by copying, where overlays would work" {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  clones_are_private
  backend_is copy
}

@test "a copy that takes longer than the engine waits is finished, and the next container has it" {
  another BACKEND=copy
  docker plugin enable --timeout 120 "$DRIVER"
  volume db
  # shellcheck disable=SC2016 # for the container's shell
  run_in db 'for i in $(seq 400); do mkdir $i; for j in $(seq 200); do echo >$i/$j; done; done'
  snapshot db seed
  docker plugin disable -f "$DRIVER"
  docker plugin enable --timeout 1 "$DRIVER"
  # 80,000 files take longer than a second on any machine.
  refused 'error while mounting volume' start one -v seed:/data
  LIMIT=120 eventually took_back
  start two -v seed:/data
  prints 400 inside two 'ls /data | wc -l'
}

took_back() { grep -F 'Undo Mount seed' "$ENGINE/log"; }

@test "BACKEND=btrfs is refused on xfs" {
  another BACKEND=btrfs
  refuses_to_start "BACKEND=btrfs"
}

@test "two plugins cannot share a pool" {
  another pool.source="$DISKS/xfs" POOL="$DISKS/xfs"
  refuses_to_start "the pool $DISKS/xfs is in use by another snapclone"
  on xfs
  fill
  is_unchanged
}

@test "an installed plugin is left as it is, wherever its pool is to be" {
  on xfs
  refused "Its volumes lie in $POOL." plugin install "$DRIVER" POOL="$POOL"
  refused "Its volumes lie in $POOL, and cannot be moved." plugin install "$DRIVER" POOL="$PWD"
  refused "Its volumes lie inside it, and cannot be moved." plugin install snapclone POOL="$PWD"
}

@test "told to, uninstalling removes the volumes from the pool" {
  another
  docker plugin enable "$DRIVER"
  volume db
  volume used
  docker create --name box -v used:/data test-image
  FORCE=1 plugin uninstall "$DRIVER"
  prints used ls "$POOL/volumes"
}

@test "a POOL that cannot be one is refused before anything is made" {
  mkdir full
  mkdir -m 0775 writable
  touch file full/photo
  refused "not an absolute path" plugin install snapclone-more POOL=srv/pool
  refused "is the root directory" plugin install snapclone-more POOL=/srv/..
  refused "other characters" plugin install snapclone-more POOL="$PWD/a pool"
  refused "does not exist" plugin install snapclone-more POOL="$PWD/missing"
  refused "not a directory" plugin install snapclone-more POOL="$PWD/file"
  refused 'could be changed by others than root' plugin install snapclone-more POOL="$PWD/writable"
  refused '"photo" is in it' plugin install snapclone-more POOL="$PWD/full"
  refused "not found" docker plugin inspect snapclone-more
}

@test "a POOL may be empty, a new disk, or a pool" {
  mkdir -p empty disk/lost+found pool/volumes
  touch pool/format
  plugin check POOL="$PWD/empty"
  plugin check POOL="$PWD//disk/"
  plugin check POOL="$PWD/pool"
}
