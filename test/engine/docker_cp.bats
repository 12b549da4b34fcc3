# SPDX-License-Identifier: Apache-2.0
# docker cp mounts the volumes of a container again, under the same mount ID: its clone must not notice.

load lib

setup_clone() {
  volume db
  run_in db 'echo original >file; mkdir dir; echo inner >dir/inner'
  snapshot db seed
  start box -v seed:/data
  inside box 'echo changed >/data/file; echo new >/data/new'
}

clone_is_intact() { prints $'changed\nnew\ninner' inside box 'cd /data; cat file new dir/inner'; }

@test "docker cp out of a running container gives what its clone holds and leaves it alone" {
  setup_clone
  docker cp box:/data/file got
  prints changed cat got
  docker cp box:/data copy
  prints $'new\ninner' cat copy/new copy/dir/inner
  clone_is_intact
}

@test "docker cp into a running container writes into its clone and nowhere else" {
  setup_clone
  echo copied >copied
  docker cp copied box:/data/dir/copied
  prints copied inside box 'cat /data/dir/copied'
  clone_is_intact
  prints $'.:\ndir\nfile\n\ndir:\ninner' run_in seed 'ls . dir'
}

@test "docker cp beside the volume leaves the clone alone" {
  setup_clone
  echo copied >copied
  docker cp copied box:/tmp/copied
  docker cp box:/bin/idle got
  clone_is_intact
}

@test "a storm of docker cp leaves the clone alone, and it goes with its container" {
  local i copies=()
  setup_clone
  echo copied >copied
  for i in {1..12}; do
    docker cp box:/data/file "got$i" &
    copies+=($!)
    docker cp copied "box:/data/copied$i" &
    copies+=($!)
  done
  for i in "${copies[@]}"; do wait "$i"; done
  clone_is_intact
  prints "$(printf 'changed\n%.0s' {1..12})" cat got{1..12}
  prints 12 inside box 'cat /data/copied* | wc -l'
  prints 1 status seed clones
  docker stop box
  eventually no_leftovers
}

@test "a failing docker cp leaves the clone alone" {
  setup_clone
  refused "/data/nothing" docker cp box:/data/nothing got
  echo copied >copied
  refused "/data/nothing" docker cp copied box:/data/nothing/there
  clone_is_intact
}

@test "docker cp out of a stopped container gives what the snapshot holds and leaves no clone" {
  setup_clone
  docker stop box
  docker cp box:/data/file got
  prints original cat got
  eventually no_leftovers
}

@test "docker cp into a stopped container is lost, and reaches no snapshot" {
  setup_clone
  docker stop box
  echo copied >copied
  docker cp copied box:/data/copied
  eventually no_leftovers
  docker start box
  prints $'original\ndir\nfile' inside box 'cat /data/file; ls /data'
}

@test "docker cp with a clone of access=ro can read and not write" {
  volume db
  run_in db 'echo original >file'
  snapshot db seed -o access=ro
  start box -v seed:/data
  docker cp box:/data/file got
  prints original cat got
  if docker cp got box:/data/new; then return 1; fi
  prints file inside box 'ls /data'
}

@test "docker cp into and out of a running container with a plain volume reaches the volume" {
  volume db
  start box -v db:/data
  echo copied >copied
  docker cp copied box:/data/copied
  inside box 'echo more >>/data/copied'
  docker cp box:/data/copied got
  prints $'copied\nmore' cat got
  end box
  prints $'copied\nmore' run_in db 'cat copied'
}
