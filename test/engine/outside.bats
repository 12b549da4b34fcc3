# SPDX-License-Identifier: Apache-2.0
# The same program outside a managed plugin: as a command, and as a driver that the engine finds by its socket.

load lib
load outside

@test "it tells its version and how to use it" {
  "$(program)" --version | grep -qE '^snapclone [0-9]+\.[0-9]+\.[0-9]+$'
  "$(program)" --help | grep -qF -- '--socket PATH'
}

@test "arguments that are wrong or missing are named" {
  refused 'unknown argument "--sock"' "$(program)" --sock x
  refused '--socket needs a value' "$(program)" --socket
  refused '--socket is missing' "$(program)" --pool x
  refused '--pool is missing' "$(program)" --socket x
  refused '--log-level loud is not known: it is debug, info, warning or error' \
    "$(program)" --socket x --pool pool --log-level loud
  [[ ! -e pool ]]
}

@test "an unknown value is answered with one sentence, an unknown argument with the usage as well" {
  refused '--metrics yes is not known: it is on or off' "$(program)" --socket x --pool pool --metrics yes
  prints 1 grep -c '' out
  refused '--backend zfs is not known: it is btrfs, overlay or copy' "$(program)" --socket x --pool pool --backend zfs
  prints 1 grep -c '' out
  refused 'usage: snapclone' "$(program)" --sock x
}

@test "it may hold as many descriptors as the hard limit lets it" {
  ulimit -Sn 256
  serve it
  # shellcheck disable=SC2154 # set by serve
  [[ $(awk '/^Max open files/ { print ($4 > 256 && $4 == $5) }' "/proc/$served/limits") -eq 1 ]]
}

@test "a second one on the same pool stops at once" {
  serve first
  refused 'is in use by another snapclone' "$(program)" --socket other.sock --pool pool
  [[ ! -e other.sock ]]
}

@test "a second one with the same mount points stops at once" {
  serve first --mounts mnt
  ask_it Create '{"Name": "db"}'
  ask_it Mount '{"Name": "db", "ID": "one"}'
  refused "the mount points in $PWD/mnt are in use by another snapclone: each needs a directory of its own" \
    "$(program)" --socket other.sock --pool other --mounts mnt
  mountpoint -q mnt/volumes/db
  ask_it Unmount '{"Name": "db", "ID": "one"}'
}

# loses PART SENTENCE [CONTENT]: without that part of the pool, or with such content, it does not start, nor change it
loses() {
  mv "pool/$1" away
  [[ $# -eq 2 ]] || echo "$3" >"pool/$1"
  find pool | sort >before
  refused "$2" timeout 20 "$(program)" --socket it.sock --pool pool
  find pool | sort | diff before -
  rm -f "pool/$1"
  mv away "pool/$1"
}

@test "a pool that is newer, or has lost a part, is refused and left as it is" {
  serve it
  ask_it Create '{"Name":"db"}'
  end_it
  loses format 'needs the snapclone that made the pool, or a newer one' 'snapclone pool 3'
  loses format 'says ""' ''
  loses format 'if this is a pool whose file was lost, restore that'
  loses volumes 'has lost its directory "volumes"'
  loses layers 'has lost its directory "layers"'
  serve it
  ask_it List | grep -F '"db"'
}

# Some kernels leave out what is in a damaged block of a directory, and say nothing.
@test "a pool whose file system has lost the name of a record keeps its layer, and has it all when it is mended" {
  local inode
  truncate -s 16M image
  mkfs.ext4 -q image
  mkdir pool
  mount -o loop image pool
  serve it
  ask_it Create '{"Name":"db"}'
  ask_it Mount '{"Name":"db","ID":"id"}'
  echo kept >pool/mnt/volumes/db/file
  ask_it Unmount '{"Name":"db","ID":"id"}'
  end_it
  inode=$(stat -c %i pool/volumes/db)
  umount -R pool
  debugfs -w -R "unlink /volumes/db" image
  mount -o loop image pool
  serve it
  prints '{"Volumes":[],"Err":""}' ask_it List
  ask_it Create '{"Name":"new"}'
  ask_it Remove '{"Name":"new"}' # looks for layers that nothing needs
  grep -F "shows fewer volumes than it has" it.log
  end_it
  umount -R pool
  e2fsck -fy image >fsck.log 2>&1 || [[ $? -eq 1 ]] # it has mended something
  mount -o loop image pool
  mv "pool/lost+found/#$inode" pool/volumes/db
  serve it
  ask_it Mount '{"Name":"db","ID":"id"}'
  prints kept cat pool/mnt/volumes/db/file
  ask_it Unmount '{"Name":"db","ID":"id"}'
}

@test "on a pool that overlayfs cannot use it copies and says why, and told to use overlays it stops" {
  mkdir lower upper work pool
  mount -t tmpfs none upper
  mkdir upper/{upper,work}
  mount -t overlay none -o lowerdir=lower,upperdir=upper/upper,workdir=upper/work pool
  umount -l upper
  refused 'BACKEND=overlay cannot work on this pool: overlay: ' "$(program)" --socket x.sock --pool pool --backend overlay
  [[ ! -e x.sock ]]
  serve it
  grep -F 'backend copy: a trial worked there, and it is the best that works there (btrfs: the pool is not on btrfs; overlay: ' it.log
}

@test "told to end, it ends, unmounts nothing and takes its socket away" {
  serve it
  ask_it Create '{"Name":"db"}'
  ask_it Mount '{"Name":"db","ID":"id"}'
  echo kept >pool/mnt/volumes/db/file
  end_it
  [[ ! -e it.sock ]]
  prints kept cat pool/mnt/volumes/db/file
  serve it
  ask_it Unmount '{"Name":"db","ID":"id"}'
  [[ ! -e pool/mnt/volumes/db ]]
}

@test "an engine uses it by its socket, with clones for every container" {
  serve it
  be_driver
  volume base
  run_in base 'echo sealed >file'
  snapshot base seed
  start one -v seed:/data
  start two -v seed:/data
  inside one 'echo mine >/data/file'
  prints mine inside one 'cat /data/file'
  prints sealed inside two 'cat /data/file'
  docker rm -f one two >/dev/null
  docker volume rm seed base >/dev/null
  eventually holds_nothing
}
