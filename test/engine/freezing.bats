# SPDX-License-Identifier: Apache-2.0
# Freezing a volume that is mounted, keeping what a live clone became, and clones in memory: on the ordinary plugin, whose
# pool is overlay's, and on pools on btrfs and by copy.

load lib
load pools

# A volume with everything in it, mounted in the container "writer", which has changed it since its last snapshot.
busy_volume() {
  tree_in db
  snapshot db base
  start writer -v db:/data
  inside writer 'cd /data; echo changed >greeting; rm -r links; mkdir links; echo new >links/new; mv deep elsewhere'
}

# Paused containers do not change what they see.
pauses_and_freezes() {
  busy_volume
  docker pause writer
  manifest writer >before
  snapshot db seed "$@"
  volume dev -o clone-of=db "$@"
  docker unpause writer
  inside writer 'echo later >/data/later; rm /data/greeting'
  content seed | diff before -
  content dev | diff before -
  prints later inside writer 'cat /data/later'
}

refuses_without_live() {
  local way
  busy_volume
  for way in 'volume "db" is in use by 1 mount' 'stop the containers' 'pause them' '-o live=true' 'btrfs'; do
    refused "$way" snapshot db seed
    refused "$way" clone_of db dev
  done
  only_volumes db base
  docker stop writer
  snapshot db seed
  prints changed run_in seed 'cat greeting'
}

# A file is written, synced and put in place by a rename, again and again: every state of it is whole.
freezes_a_writer() {
  volume db
  start writer -v db:/data
  docker exec -d writer sh -c 'i=0; while i=$((i + 1)); do
    seq $i $((i + 2000)) | dd of=/data/next conv=fsync 2>/dev/null; mv /data/next /data/file; done'
  eventually inside writer 'test -e /data/file'
  local i
  for i in 1 2 3 4 5; do
    snapshot db "seed$i" "$@"
    # shellcheck disable=SC2016 # for the container's shell
    run_in "seed$i" 'first=$(head -n 1 file); test $(wc -l <file) -eq 2001 -a $(tail -n 1 file) -eq $((first + 2000))'
  done
}

# mount_of CONTAINER: what its df shows for /data, such as seed@3f2a9c01b2d4
mount_of() { docker exec "$1" df /data | awk 'NR == 2 { print $1 }'; }

# The same where mounts have no name of their own: from the directory that is mounted.
directory_of() {
  docker exec "$1" awk '$5 == "/data" { n = split($4, part, "/"); sub(/-[^-]*$/, "", part[n - 1]); print part[n - 1] }' \
    /proc/self/mountinfo
}

# keeps CLONE, while the container "box" has it
keeps() {
  inside box 'echo became >/data/own; rm -r /data/deep; mv /data/links /data/renamed'
  docker pause box
  manifest box >became
  snapshot "$1" kept
  clone_of "$1" dev
  docker unpause box
  inside box 'echo later >/data/own'
  end box
  content kept | diff became -
  content dev | diff became -
  run_in dev 'echo on >own'
  prints became run_in kept 'cat own'
  prints '"seed"' status kept source
  content seed | diff sealed -
}

box_with_a_clone() {
  tree_in db
  snapshot db seed "$@"
  content seed >sealed
  start box -v seed:/data
}

@test "a mounted volume is refused with the ways out, and nothing changes" { refuses_without_live; }

@test "a mounted volume is refused where trees are copied, too" {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  refuses_without_live
}

@test "a paused container's volume is frozen with live=true exactly as the container sees it" { pauses_and_freezes -o live=true; }

@test "a paused container's volume is frozen on btrfs without asking for it" {
  on btrfs
  pauses_and_freezes
}

@test "a paused container's volume is frozen with live=true on xfs" {
  on xfs
  pauses_and_freezes -o live=true
}

@test "a paused container's volume is frozen with live=true where trees are copied" {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  pauses_and_freezes -o live=true
}

@test "a volume is frozen with live=true while a container writes, each file as it was at some moment" {
  freezes_a_writer -o live=true
}

@test "a volume is frozen on btrfs while a container writes, each file as it was at some moment" {
  on btrfs
  freezes_a_writer
}

@test "df in a container names its clone, and what it became can be kept as a snapshot and as a volume" {
  local name
  box_with_a_clone
  name=$(mount_of box)
  [[ $name =~ ^seed@[0-9a-f]{12}$ ]]
  keeps "$name"
}

@test "what a clone on btrfs became can be kept" {
  on btrfs
  box_with_a_clone
  keeps "seed@$(directory_of box)"
}

@test "what a clone became can be kept where trees are copied" {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  box_with_a_clone
  keeps "seed@$(directory_of box)"
}

@test "what was kept of a clone survives a kill of the plugin and a restart of the engine" {
  box_with_a_clone
  inside box 'echo became >/data/own'
  snapshot "$(mount_of box)" kept
  engine kill
  restart_engine
  prints became run_in kept 'cat own'
}

@test "a clone that does not exist, or is not the only one, is refused with the candidates" {
  local one two
  volume db
  snapshot db seed
  refused 'snapshot "seed" has no live clones' snapshot seed@3f2a kept
  start one -v seed:/data
  start two -v seed:/data
  one=$(mount_of one) two=$(mount_of two)
  for wrong in seed@ seed@nothing; do
    refused "$one (since " snapshot "$wrong" kept
    refused "$two (since " clone_of "$wrong" kept
  done
  refused 'volume "db" has no clones' snapshot db@3f2a kept
  refused 'is not allowed' snapshot 'seed@../x' kept
  only_volumes db seed
  snapshot "$two" kept
}

@test "a snapshot's clones in memory are bounded, and over the bound only their own writer gets an error" {
  volume db
  run_in db 'echo sealed >file'
  snapshot db seed -o medium=memory -o size=8m
  prints '"memory" "8m"' docker volume inspect -f '{{json .Status.medium}} {{json .Status.size}}' seed
  start one -v seed:/data
  start two -v seed:/data
  refused 'No space left on device' inside one 'dd if=/dev/zero of=/data/fill bs=1M count=32'
  prints sealed inside one 'cat /data/file'
  inside two 'dd if=/dev/zero of=/data/fill bs=1M count=4; echo changed >/data/file'
  prints sealed inside one 'cat /data/file'
  prints sealed run_in seed 'cat file'
  # What one of them has is given back when it ends.
  end one
  start one -v seed:/data
  inside one 'dd if=/dev/zero of=/data/fill bs=1M count=6'
}

# looked_at VOLUME: what ordinary programs see in it, when a container has also made files there
looked_at() {
  # shellcheck disable=SC2016 # for the container's shell
  run_in "$1" '
    mkdir new; for i in 1 2 3; do echo new $i >new/$i; ln new/$i lib/new$i; done; echo changed >single
    echo "find"; find . -xdev | sort
    echo "du"; du -a . | wc -l
    echo "tar"; mkdir /tmp/tar; tar -cf - . | tar -C /tmp/tar -xf -; cd /tmp/tar
    find . -type f | sort | xargs md5sum
    for file in lib/1 lib/2 new/1 new/2; do find . -samefile $file | sort | xargs; done'
}

@test "find, du and tar see in a clone in memory what they see in a local volume, and its numbers are small" {
  # shellcheck disable=SC2016 # for the container's shell
  local seed='mkdir -p lib/deep; for i in 1 2 3 4; do echo $i >lib/$i; ln lib/$i lib/deep/$i; done; echo sealed >single'
  local largest
  docker volume create plain >/dev/null
  run_in plain "$seed"
  volume db
  run_in db "$seed"
  snapshot db seed -o medium=memory -o size=8m
  looked_at plain >local
  looked_at seed >clone
  grep -x './lib/1 ./lib/deep/1' local
  diff local clone
  largest=$(run_in seed 'echo new >file; find . | xargs stat -c %i | sort -n | tail -n 1')
  [[ ${#largest} -le 15 ]]
  # The price, as docs/limits.md has it.
  prints 3 run_in seed 'du -ax . | wc -l'
  docker volume rm plain
}

@test "what a clone in memory became can be kept" {
  box_with_a_clone -o medium=memory -o size=64m
  keeps "$(mount_of box)"
}

@test "clones in memory work on btrfs and can be kept" {
  on btrfs
  box_with_a_clone -o medium=memory -o size=64m
  keeps "$(mount_of box)"
}

@test "clones in memory work where trees are copied and can be kept" {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  box_with_a_clone -o medium=memory -o size=64m
  keeps "$(mount_of box)"
}

@test "sizes and media that make no sense are refused" {
  volume db
  refused 'medium=memory needs size=' snapshot db seed -o medium=memory
  refused 'size=12 is not allowed' snapshot db seed -o medium=memory -o size=12
  refused 'needs medium=memory' snapshot db seed -o size=1g
  refused '"memory" or "disk"' snapshot db seed -o medium=tape
  refused 'is for snapshots' volume other -o medium=memory -o size=1g
  refused 'live=true needs snapshot-of or clone-of' volume other -o live=true
  only_volumes db
}

# Through the plugin's own socket, since a container for each change would take minutes.
@test "a hundred snapshots of one volume have at most fifty layers each, and each its own content" {
  local i data=$PLUGIN_DATA
  volume db
  for ((i = 1; i <= 110; i++)); do
    ask Mount '{"Name": "db", "ID": "writer"}' >/dev/null
    echo "$i" >"$data/mnt/volumes/db/last"
    ask Unmount '{"Name": "db", "ID": "writer"}' >/dev/null
    snapshot db "seed$i"
  done
  for i in 1 50 51 52 102 110; do
    prints "$i" run_in "seed$i" 'cat last'
    [[ $(status "seed$i" layers) -le 50 ]]
  done
  prints 50 status seed50 layers
  prints 1 status seed51 layers
  # Layers go with the last one that names them.
  docker volume rm db $(seq -f 'seed%g' 1 100)
  prints 110 run_in seed110 'cat last'
  eventually layers_are 10
}

layers_are() { [[ $(find "$PLUGIN_DATA/pool/layers" -mindepth 1 -maxdepth 1 | wc -l) -eq $1 ]]; }
