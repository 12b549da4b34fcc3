# SPDX-License-Identifier: Apache-2.0
# Making snapshots and named clones, and what becomes of them when their sources change or go.

load lib

db() {
  volume db
  run_in db 'echo first >file'
}

@test "a volume goes on changing, its snapshot does not" {
  db
  snapshot db seed
  run_in db 'echo second >file; echo new >new'
  prints $'first\nfile' run_in seed 'cat file; ls'
  prints $'second\nfile\nnew' run_in db 'cat file; ls'
}

@test "each snapshot of a changing volume shows its own moment" {
  local i
  volume db
  start filler -v db:/data
  make_tree.py "$(at filler)"
  for i in contents names attributes delete; do
    end filler
    start filler -v db:/data
    scribble.py "$i" "$(at filler)"
    manifest filler >"$i"
    end filler
    snapshot db "after-$i"
    start filler -v db:/data
    manifest filler | diff "$i" -
  done
  for i in contents names attributes delete; do
    content "after-$i" | diff "$i" -
  done
}

@test "a snapshot keeps what was deleted from the volume, and the next one lacks it" {
  volume db
  run_in db 'mkdir dir; echo one >dir/one; echo two >two'
  snapshot db before
  run_in db 'rm -r dir two; mkdir dir; echo other >dir/other'
  snapshot db after
  prints $'.:\ndir\ntwo\n\ndir:\none' run_in before 'ls dir .'
  prints $'.:\ndir\n\ndir:\nother' run_in after 'ls dir .'
}

@test "a snapshot takes over the volume's tree and copies nothing" {
  db
  local upper
  upper=$(record db upper)
  snapshot db seed
  prints "[$upper]" record seed stack
}

@test "a snapshot of a volume without changes adds no layer" {
  db
  snapshot db one
  snapshot db two
  prints "$(record two stack)" record one stack
  prints first run_in two 'cat file'
}

@test "a snapshot of an empty volume is an empty directory" {
  volume db
  snapshot db seed
  prints end run_in seed 'ls -A; echo end'
}

@test "a snapshot of a mounted volume is refused and changes nothing" {
  db
  start writer -v db:/data
  record db stack >before
  refused 'volume "db" is in use by 1 mount' snapshot db seed
  only_volumes db
  record db stack | diff before -
  inside writer 'echo later >/data/file'
  docker stop writer
  snapshot db seed
  prints later run_in seed 'cat file'
}

@test "a snapshot of a snapshot shows the same, whatever its clones did" {
  tree_in db
  snapshot db seed
  content seed >before
  start vandal -v seed:/data
  scribble.py all "$(at vandal)"
  snapshot seed again
  content again | diff before -
}

@test "a snapshot stays when its volume is removed" {
  db
  snapshot db seed
  docker volume rm db
  prints first run_in seed 'cat file'
}

@test "a snapshot of a snapshot stays when the first is removed" {
  db
  snapshot db seed
  snapshot seed again
  docker volume rm seed db
  prints first run_in again 'cat file'
}

@test "a volume stays when all its snapshots are removed" {
  db
  snapshot db one
  run_in db 'echo second >second'
  snapshot db two
  docker volume rm one two
  prints $'first\nsecond' run_in db 'cat file second'
}

@test "removing a snapshot is refused while containers have clones, and works after" {
  db
  snapshot db seed
  start one -v seed:/data
  start two -v seed:/data
  refused "in use" docker volume rm seed
  refused 'snapshot "seed" has 2 live clones' ask Remove '{"Name": "seed"}'
  prints first inside one 'cat /data/file'
  end one two
  docker volume rm seed
  only_volumes db
}

@test "a removed name can be used again for something else" {
  db
  snapshot db seed
  docker volume rm seed
  run_in db 'echo second >file'
  snapshot db seed
  prints second run_in seed 'cat file'
}

@test "access=ro gives clones that cannot be written" {
  tree_in db
  snapshot db seed
  snapshot db fixed -o access=ro
  content seed >before
  content fixed | diff before -
  refused "Read-only file system" run_in fixed 'echo changed >greeting'
  refused "Read-only file system" run_in fixed 'rm greeting'
  refused "Read-only file system" run_in fixed 'mkdir new'
  refused "Read-only file system" run_in fixed 'chmod 777 greeting'
  content fixed | diff before -
}

@test "clone-of begins as its source and keeps what is written to it" {
  tree_in db
  snapshot db seed
  content seed >before
  clone_of seed dev
  start box -v dev:/data
  manifest box | diff before -
  inside box 'echo changed >/data/greeting; echo new >/data/new'
  docker restart box
  prints $'changed\nnew' inside box 'cat /data/greeting /data/new'
  end box
  prints $'changed\nnew' run_in dev 'cat greeting new'
  content seed | diff before -
}

@test "clone-of a volume begins as the volume is, and each goes its way" {
  db
  clone_of db dev
  run_in dev 'echo dev >>file'
  run_in db 'echo db >>file'
  prints $'first\ndev' run_in dev 'cat file'
  prints $'first\ndb' run_in db 'cat file'
}

@test "clone-of a mounted volume is refused and changes nothing" {
  db
  start writer -v db:/data
  refused 'volume "db" is in use by 1 mount' clone_of db dev
  only_volumes db
}

@test "clone-of a snapshot works while containers have clones of it" {
  db
  snapshot db seed
  start box -v seed:/data
  inside box 'echo changed >/data/file'
  clone_of seed dev
  prints first run_in dev 'cat file'
}

@test "a named clone stays when its source is removed" {
  db
  snapshot db seed
  clone_of seed dev
  docker volume rm seed db
  run_in dev 'echo second >>file'
  prints $'first\nsecond' run_in dev 'cat file'
}

@test "a named clone of a named clone is independent of both" {
  db
  snapshot db seed
  clone_of seed dev
  run_in dev 'echo dev >>file'
  clone_of dev fork
  run_in fork 'echo fork >>file'
  run_in dev 'echo again >>file'
  prints $'first\ndev\nfork' run_in fork 'cat file'
  prints $'first\ndev\nagain' run_in dev 'cat file'
  prints first run_in seed 'cat file'
}

@test "a named clone can be made into a snapshot" {
  db
  snapshot db seed
  clone_of seed dev
  run_in dev 'echo dev >file'
  snapshot dev dev-seed
  run_in dev-seed 'echo lost >file'
  prints dev run_in dev-seed 'cat file'
}

@test "snapshots in a chain of twelve each show their own generation" {
  local i
  volume db
  for i in {1..12}; do
    ask Mount "{\"Name\": \"db\", \"ID\": \"$i\"}" >/dev/null
    echo "$i" >"$PLUGIN_DATA/mnt/volumes/db/file"
    echo "$i" >"$PLUGIN_DATA/mnt/volumes/db/file-$i"
    rm -f "$PLUGIN_DATA/mnt/volumes/db/file-$((i - 1))"
    ask Unmount "{\"Name\": \"db\", \"ID\": \"$i\"}" >/dev/null
    snapshot db "seed-$i"
  done
  prints $'1\nfile\nfile-1' run_in seed-1 'cat file; ls'
  prints $'7\nfile\nfile-7' run_in seed-7 'cat file; ls'
  prints $'12\nfile\nfile-12' run_in seed-12 'cat file; ls'
}

pool_mebibytes() { du -sm "$PLUGIN_DATA/pool" | cut -f 1; }
pool_is_below() { (($(pool_mebibytes) < $1)); }

@test "the space that only removed snapshots used is given back" {
  local night
  volume db
  for night in {1..6}; do
    run_in db "dd if=/dev/urandom of=file bs=1M count=$((20 + night)) 2>/dev/null; rm -f only-*; echo $night >only-$night"
    snapshot db "night-$night"
  done
  content night-6 >before
  (($(pool_mebibytes) > 130))
  for night in {1..5}; do docker volume rm "night-$night" >/dev/null; done
  LIMIT=90 eventually pool_is_below 40
  content night-6 | diff before -
  prints only-6 run_in db 'ls only-*'
  run_in db 'rm -f file only-*'
  docker volume rm night-6
  LIMIT=90 eventually pool_is_below 10
}

@test "changing the owner of a snapshot's files, or their names, copies no content" {
  volume db
  run_in db 'dd if=/dev/zero of=large bs=1M count=64 2>/dev/null; echo small >small'
  snapshot db seed
  clone_of seed dev
  run_in dev 'chown 1000:1000 large small; chmod 600 small; mv large renamed; ln renamed linked'
  prints $'1000 67108864\n1000 6' run_in dev 'stat -c "%u %s" renamed small'
  pool_is_below 80
  snapshot dev kept
  docker volume rm seed db
  prints $'600\nsmall' run_in kept 'stat -c %a small; cat small'
  prints 67108864 run_in kept 'cmp -n 67108864 renamed /dev/zero; stat -c %s linked'
}
