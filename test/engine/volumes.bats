# SPDX-License-Identifier: Apache-2.0
# Plain volumes: what Docker's own driver "local" does, they do.

load lib

# same_as_local TARGET: both drivers give the same tree for a new volume mounted there. The times of directories are
# those of the copying.
same_as_local() {
  local driver
  for driver in local snapclone; do
    docker volume create -d "$driver" "from-$driver" >/dev/null
    start "c-$driver" --mount "type=volume,source=from-$driver,target=$1"
    manifest "c-$driver" "$1" | sed '/ dir /s/ mtime=[0-9]*//' >"$driver"
  done
  diff local snapclone
}

@test "a volume keeps what containers write" {
  volume db
  run_in db 'echo one >file; mkdir dir'
  run_in db 'echo two >>file; touch dir/new'
  prints $'one\ntwo\nnew' run_in db 'cat file; ls dir'
}

@test "a volume keeps everything a file system can hold" {
  volume db
  start filler -v db:/data
  make_tree.py "$(at filler)"
  manifest filler >before
  docker restart filler
  manifest filler | diff before -
}

@test "a volume shared by two containers shows each what the other writes" {
  volume db
  start one -v db:/data
  start two -v db:/elsewhere
  inside one 'echo one >/data/file'
  prints one inside two 'cat /elsewhere/file'
  inside two 'echo two >>/elsewhere/file; mv /elsewhere/file /elsewhere/moved'
  prints $'one\ntwo\nmoved' inside one 'cat /data/moved; ls /data'
}

@test "a volume stays mounted for one container when another with it ends" {
  volume db
  start stays -v db:/data
  start ends -v db:/data
  end ends
  inside stays 'echo still >/data/file'
  prints still run_in db 'cat file'
}

@test "a volume at two targets of one container is one tree" {
  volume db
  start box -v db:/one -v db:/two
  inside box 'echo same >/one/file'
  prints same inside box 'cat /two/file'
}

@test "a volume mounted :ro cannot be written through that container" {
  volume db
  run_in db 'echo one >file'
  start box -v db:/data:ro
  refused "Read-only file system" inside box 'echo two >/data/file'
  prints one inside box 'cat /data/file'
}

@test "an empty volume takes over the image's content at its target, as with local" {
  same_as_local /image-data
  prints "from the image" inside c-snapclone 'cat /image-data/image-only'
}

@test "an empty volume at a target the image lacks is the same as with local" { same_as_local /not/in/the/image; }

@test "a volume that holds something takes over nothing from the image" {
  volume db
  run_in db 'echo mine >file'
  prints file docker run --rm --network none -v db:/image-data test-image ls /image-data
}

@test "volume-nocopy takes over nothing from the image" {
  volume db
  start box --mount type=volume,source=db,target=/image-data,volume-nocopy
  prints end inside box 'ls -A /image-data; echo end'
}

@test "an anonymous volume of --volume-driver is ours, and goes with --rm" {
  local name
  start box --rm --volume-driver snapclone -v /data
  name=$(docker inspect -f '{{(index .Mounts 0).Name}}' box)
  prints snapclone:latest docker volume inspect -f '{{.Driver}}' "$name"
  inside box 'echo anonymous >/data/file'
  docker stop box
  eventually only_volumes
}

@test "an image's VOLUME with --volume-driver is ours and has the image's content" {
  docker run -d --network none --name box --volume-driver snapclone volume-image
  prints snapclone:latest docker inspect -f '{{(index .Mounts 0).Driver}}' box
  prints "from the image" inside box 'cat /image-data/shared'
  inside box 'echo changed >/image-data/shared'
  docker restart box
  prints changed inside box 'cat /image-data/shared'
}

@test "removing a volume in use is refused, and works after" {
  volume db
  start box -v db:/data
  refused "in use" docker volume rm db
  refused 'volume "db" is in use by 1 mount' ask Remove '{"Name": "db"}'
  inside box 'echo still >/data/file'
  end box
  docker volume rm db
  only_volumes
}

@test "a removed volume's name begins empty again" {
  volume db
  run_in db 'echo one >file'
  docker volume rm db
  volume db
  prints end run_in db 'ls -A; echo end'
}

@test "docker volume ls lists what there is, with our driver" {
  volume db
  snapshot db seed
  clone_of seed dev
  docker volume create other
  prints $'db\ndev\nseed' docker volume ls -q -f driver=snapclone:latest
  only_volumes db dev seed other
}

@test "creating a volume again succeeds and changes nothing" {
  volume db
  run_in db 'echo one >file'
  volume db
  prints one run_in db 'cat file'
  snapshot db seed
  run_in db 'echo two >file'
  snapshot db seed
  prints one run_in seed 'cat file'
}

@test "the plugin answers a repeated Create by its options" {
  volume db
  snapshot db seed
  ask Create '{"Name": "seed", "Opts": {"snapshot-of": "db"}}'
  refused '"seed" exists already with other options' ask Create '{"Name": "seed", "Opts": {"clone-of": "db"}}'
}

@test "the scope of volumes is local" {
  volume db
  prints local docker volume inspect -f '{{.Scope}}' db
}

@test "labels and options are kept" {
  volume db --label purpose=test -o target=/data
  prints "test /data" docker volume inspect -f '{{.Labels.purpose}} {{.Options.target}}' db
}

@test "docker volume inspect says what a volume is" {
  volume db
  prints '"volume"' status db kind
  prints '"overlay"' status db backend
  prints 0 status db mounts
  [[ $(docker volume inspect -f '{{.CreatedAt}}' db) =~ ^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$ ]]
}

@test "docker volume inspect says what a snapshot was made of and who uses it" {
  volume db
  snapshot db seed -o target=/data
  snapshot seed again
  prints '"snapshot"' status again kind
  prints '"seed"' status again source
  prints '["seed","db"]' status again lineage
  prints '"/data"' status again target
  prints 0 status again clones
  start one -v again:/data
  start two -v again:/data
  prints 2 status again clones
  prints 0 status seed clones
  end one
  prints 1 status again clones
}

@test "docker volume inspect says what a named clone was made of" {
  volume db
  snapshot db seed
  clone_of seed dev
  prints '"volume"' status dev kind
  prints '"seed"' status dev source
}
