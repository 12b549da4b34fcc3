# SPDX-License-Identifier: Apache-2.0
# What a mount of a snapshot gives: a clone of its own, which takes everything with it when it goes.

load lib

seed() {
  volume db
  run_in db 'echo original >file; mkdir dir; echo inner >dir/inner'
  snapshot db seed
}

seed_with_everything() {
  tree_in db
  snapshot db seed
}

# harmless KIND: a container that does that to everything in its clone does nothing to the snapshot
harmless() {
  seed_with_everything
  content seed >before
  layers seed >layers-before
  start vandal -v seed:/data
  scribble.py "$1" "$(at vandal)"
  manifest vandal >changed
  end vandal
  content seed >after
  layers seed >layers-after
  diff before after
  diff layers-before layers-after
  ! cmp -s before changed
}

@test "a clone shows the content, owners, modes, times, links, xattrs and holes of its source" {
  volume db
  start filler -v db:/data
  make_tree.py "$(at filler)"
  manifest filler >source
  end filler
  snapshot db seed
  content seed >clone
  diff source clone
  [[ $(wc -l <source) -gt 150 ]]
}

@test "writing into every file of a clone leaves the snapshot as it was" { harmless contents; }

@test "changing all modes, owners, times and xattrs of a clone leaves the snapshot as it was" { harmless attributes; }

@test "renaming everything in a clone leaves the snapshot as it was" { harmless names; }

@test "deleting everything in a clone leaves the snapshot as it was" { harmless delete; }

@test "doing all of it to a clone at once leaves the snapshot as it was" { harmless all; }

@test "what a container does to its clone with its own tools leaves the snapshot as it was" {
  seed_with_everything
  content seed >before
  run_in seed '
    echo more >>greeting; : >binary; rm links/one; mv deep elsewhere; mv file3 file4; rm -r modes xattrs
    mkdir modes; echo new >modes/new; ln greeting another; ln -sf changed links/relative; chmod 777 . sparse/middle
    chown 99:99 special/fifo; touch greeting; dd if=/dev/zero of=sparse/ends bs=4096 count=3 conv=notrunc
    mkfifo pipe; mknod node c 1 5; rm special/null; truncate -s 7 file9; sync' 2>/dev/null
  content seed >after
  diff before after
}

@test "a directory renamed in a clone keeps its content there, and its name everywhere else" {
  seed
  start one -v seed:/data
  start two -v seed:/data
  inside one 'mv /data/dir /data/renamed && mkdir /data/dir'
  prints inner inside one 'cat /data/renamed/inner; ls /data/dir'
  prints $'inner\ndir\nfile' inside two 'cat /data/dir/inner; ls /data'
}

@test "a directory deleted and made again in a clone is empty there" {
  seed
  prints end run_in seed 'rm -r dir; mkdir dir; ls -A dir; echo end'
  prints inner run_in seed 'cat dir/inner'
}

@test "a hard link written in a clone changes under no name of the snapshot" {
  volume db
  run_in db 'echo original >one; ln one two'
  snapshot db seed
  run_in seed 'echo changed >one'
  prints $'original\noriginal\n2' run_in seed 'cat one two; stat -c %h one'
}

@test "eight containers on one snapshot at once do not see each other" {
  local i starts=()
  seed
  for i in {1..8}; do
    start "c$i" -v seed:/data &
    starts+=($!)
  done
  for i in "${starts[@]}"; do wait "$i"; done
  for i in {1..8}; do
    inside "c$i" "cd /data && echo $i >>file && echo $i >only-$i && rm -r dir"
  done
  for i in {1..8}; do
    prints $'original\n'"$i"$'\nfile\nonly-'"$i" inside "c$i" 'cd /data && cat file && ls'
  done
  prints 8 status seed clones
}

@test "a second container on a snapshot finds it pristine" {
  seed
  run_in seed 'echo changed >file; rm -r dir; echo new >new'
  prints $'original\ninner\ndir\nfile' run_in seed 'cat file dir/inner; ls'
}

@test "a container that is restarted finds the snapshot pristine" {
  seed
  start box -v seed:/data
  inside box 'echo changed >/data/file; rm -r /data/dir; echo new >/data/new'
  docker restart box
  prints $'original\ninner\ndir\nfile' inside box 'cd /data; cat file dir/inner; ls'
}

@test "a container that is stopped and started finds the snapshot pristine" {
  seed
  start box -v seed:/data
  inside box 'echo changed >/data/file'
  docker stop box
  docker start box
  prints original inside box 'cat /data/file'
}

one_clone_left() { [[ $(leftovers | grep -c '^clone') -eq 1 ]]; }

@test "a clone goes when its container stops, and the others stay" {
  seed
  start stays -v seed:/data
  inside stays 'echo mine >/data/file'
  start stops -v seed:/data
  docker stop stops
  end stops
  docker run --rm --network none -v seed:/data test-image true
  prints mine inside stays 'cat /data/file'
  eventually one_clone_left
}

@test "a clone goes when its container is killed" {
  seed
  start box -v seed:/data
  docker kill -s KILL box
  docker wait box
  eventually no_leftovers
}

@test "a clone goes when its container's command ends" {
  seed
  docker run --network none -v seed:/data test-image sh -c 'echo changed >/data/file; exit 3' || [[ $? -eq 3 ]]
  eventually no_leftovers
}

@test "a container that fails to start leaves no clone" {
  seed
  refused "no such file" docker run --network none -v seed:/data test-image /no/such/binary
  eventually no_leftovers
}

@test "a container that is only created has no clone" {
  seed
  docker create --network none -v seed:/data test-image
  docker create --network none -v seed:/image-data test-image
  eventually no_leftovers
}

@test "one snapshot at two targets of a container is two clones" {
  seed
  start box -v seed:/one -v seed:/two
  inside box 'echo changed >/one/file'
  prints $'changed\noriginal' inside box 'cat /one/file /two/file'
}

@test "several snapshots in one container are each at their place" {
  local i
  for i in one two three; do
    volume "db-$i"
    run_in "db-$i" "echo $i >name"
    snapshot "db-$i" "seed-$i"
  done
  start box -v seed-one:/a -v seed-two:/b/b -v seed-three:/tmp/c
  prints $'one\ntwo\nthree' inside box 'cat /a/name /b/b/name /tmp/c/name'
}

nested_seeds() {
  volume outer
  run_in outer 'echo outer >root.txt; mkdir child; echo hidden >child/from-outer.txt'
  snapshot outer outer-seed
  volume inner
  run_in inner 'echo inner >inner.txt'
  snapshot inner inner-seed
}

@test "a target inside another target shows the inner snapshot, the outer one named first" {
  nested_seeds
  start box -v outer-seed:/tmp/restored -v inner-seed:/tmp/restored/child
  prints $'outer\ninner.txt\ninner' inside box 'cd /tmp/restored; cat root.txt; ls child; cat child/inner.txt'
  prints from-outer.txt run_in outer-seed 'ls child'
}

@test "a target inside another target shows the inner snapshot, the inner one named first" {
  nested_seeds
  start box -v inner-seed:/tmp/restored/child -v outer-seed:/tmp/restored
  prints $'outer\ninner.txt\ninner' inside box 'cd /tmp/restored; cat root.txt; ls child; cat child/inner.txt'
  prints from-outer.txt run_in outer-seed 'ls child'
}

@test "a target inside another target that the outer snapshot lacks does not reach that snapshot" {
  nested_seeds
  content outer-seed >before
  docker run --rm --network none -v outer-seed:/data -v inner-seed:/data/new/child test-image ls /data/new/child
  content outer-seed >after
  diff before after
}

@test "two spellings of one target are refused by Docker, and leave no clone" {
  seed
  refused "Duplicate mount point" docker run --network none -v seed:/tmp/same -v seed:/tmp/same/ test-image true
  eventually no_leftovers
}

@test "--volumes-from gives a container its own clone" {
  seed
  start first -v seed:/data
  inside first 'echo changed >/data/file'
  start second --volumes-from first
  prints original inside second 'cat /data/file'
  inside second 'echo other >/data/file'
  prints changed inside first 'cat /data/file'
}

@test "a clone mounted :ro cannot be written" {
  seed
  start box -v seed:/data:ro
  refused "Read-only file system" inside box 'echo changed >/data/file'
  prints original inside box 'cat /data/file'
}

@test "--mount gives a clone as -v does" {
  seed
  start box --mount type=volume,source=seed,target=/data
  inside box 'echo changed >/data/file'
  start other --mount type=volume,source=seed,target=/data,readonly,volume-driver=snapclone
  prints original inside other 'cat /data/file'
  refused "Read-only file system" inside other 'echo changed >/data/file'
}

@test "df shows the snapshot and the mount a clone belongs to, and docker volume inspect that mount" {
  local mount
  seed
  start box -v seed:/data
  mount=$(docker volume inspect -f '{{(index .Status.newest_clones 0).mount}}' seed)
  [[ $mount =~ ^[0-9a-f]{64}$ ]]
  prints "seed@${mount:0:12}" inside box 'df -P /data | sed "1d; s/ .*//"'
}

@test "docker commit takes nothing from a clone, and the clone can be laid over the new image" {
  seed
  start box -v seed:/data
  inside box 'echo layer >/tmp/kept; echo changed >/data/file'
  docker commit box committed
  prints layer docker run --rm --network none committed sh -c 'cat /tmp/kept; ls -A /data'
  prints $'layer\noriginal' docker run --rm --network none -v seed:/data committed cat /tmp/kept /data/file
  docker rmi committed
}
