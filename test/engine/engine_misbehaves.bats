# SPDX-License-Identifier: Apache-2.0
# The engine loses requests and answers, forgets containers, gives up waiting, and takes the plugin away under them. What
# it makes the plugin keep is counted here; what a container has is never touched. On every backend where it matters,
# since only overlayfs can be asked who uses a tree.

load lib
load pools
load killing

teardown() {
  end_killer
  finish_pools
}

setup_file() { prepare_pools btrfs; }

on_btrfs() {
  on btrfs
  aim
}

on_copy() {
  another BACKEND=copy
  docker plugin enable "$DRIVER"
  aim
}

on_overlay() {
  DRIVER=snapclone
  POOL=$PLUGIN_DATA/pool
}

# What cannot be asked about is kept until the machine boots, which is another boot ID.
boot() {
  local held
  for held in "$POOL"/*/*/held; do
    [[ ! -e $held ]] || echo another >"$held"
  done
}

# outlives [COMMAND...]: the plugin does not know any more that "box" runs. It goes on, and loses nothing when all that it
# uses is removed.
outlives() {
  is_unharmed
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  docker volume rm db
  # The engine would refuse to remove these, as a container refers to them. So the plugin is told, which may refuse, too.
  ask Remove '{"Name": "seed"}' || true
  ask Remove '{"Name": "work"}' || true
  is_unharmed
  "$@"
  is_unharmed
  end box
  boot
  docker volume rm seed work || true # which tells the engine what is gone
}

is_disabled_under() {
  busy_container
  docker plugin disable -f "$DRIVER"
  is_unharmed
  docker plugin enable "$DRIVER"
  eventually plugin_answers
  outlives sleep 6 # the plugin looks every 5 s whether it can delete something
}

@test "a container outlives that the plugin is disabled and its volumes removed" {
  on_overlay
  is_disabled_under
}
@test "a container outlives that the plugin is disabled and its volumes removed on btrfs" {
  on_btrfs
  is_disabled_under
}
@test "a container outlives that the plugin is disabled and its volumes removed where trees are copied" {
  on_copy
  is_disabled_under
}

# The first Mount of a docker cp gets lost. Engine 20.10 ends that with an Unmount of all that "box" has.
keeps_what_a_lost_cp_unmounts() {
  seed
  kill_at Mount before 3
  busy_container
  refused "the request has no body" docker cp box:/data/file got
  was_killed
  outlives
}

@test "a container keeps its clone and volume when a docker cp of it is lost with the plugin" {
  on_overlay
  keeps_what_a_lost_cp_unmounts
}
@test "a container keeps its clone and volume when a docker cp of it is lost with the plugin on btrfs" {
  on_btrfs
  keeps_what_a_lost_cp_unmounts
}

# leaves NUMBER: so many clones of containers that have ended, until the plugin's next start, and nothing else
leaves() {
  prints "$1" status seed clones
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  start_again snapclone
  prints 0 status seed clones
  eventually no_leftovers
}

has_a_clone() {
  start box -v seed:/data
  inside box 'echo changed >/data/file; rm /data/dir/inner'
}

is_pristine() { prints $'original\ninner' inside box 'cat /data/file; ls /data/dir'; }

# loses_its_start WHEN NUMBER: the plugin is killed before or after the Mount, which leaves so many clones
loses_its_start() {
  seed
  kill_at Mount "$1"
  docker create --name box --network none -v seed:/data test-image
  refused "the request has no body" docker start box
  was_killed
  docker start box
  is_pristine
  docker stop box
  leaves "$2"
}

# loses_its_stop WHEN NUMBER: the same, with the Unmount
loses_its_stop() {
  seed
  kill_at Unmount "$1"
  has_a_clone
  docker stop box
  was_killed
  docker start box
  is_pristine
  docker stop box
  leaves "$2"
}

@test "a container whose Mount is lost with the plugin does not start, and does the next time" {
  loses_its_start before 0
}

@test "a container whose mounted clone the engine did not hear of does not start, and leaves that one" {
  loses_its_start after 1
}

@test "a container whose Unmount is lost with the plugin leaves its clone, and finds the snapshot pristine" {
  loses_its_stop before 1
}

@test "a container whose Unmount was answered unheard leaves nothing, and finds the snapshot pristine" {
  loses_its_stop after 0
}

@test "a docker cp whose mounted clone the engine did not hear of harms nothing, and leaves one clone" {
  seed
  kill_at Mount after 2
  has_a_clone
  refused "the request has no body" docker cp box:/data/file got
  was_killed
  prints changed inside box 'cat /data/file; ls /data/dir'
  end box
  leaves 1
}

@test "a Mount that the engine gave up waiting for is undone when a plugin that hung goes on" {
  seed
  volume work
  patience=1 kill_at Mount hang
  refused "error while mounting volume" docker run --rm --network none -v seed:/data -v work:/plain test-image true
  eventually logged 'Undo Mount'
  eventually no_leftovers
  snapshot work frozen
}

@test "a docker cp that the engine gave up waiting for harms nothing when a plugin that hung goes on" {
  seed
  patience=1 kill_at Mount hang 2
  has_a_clone
  refused "error while mounting volume" docker cp box:/data/file got
  prints changed inside box 'cat /data/file; ls /data/dir'
  end box
  leaves 1
}

@test "what the engine gave up waiting for is made when a plugin that hung goes on, and making it again succeeds" {
  volume db
  run_in db 'echo original >file'
  patience=1 kill_at Create hang
  refused "create seed" snapshot db seed
  eventually only_volumes db seed
  snapshot db seed
  prints original run_in seed 'cat file'
}

# A tree takes a while to copy that has so many files.
@test "a container whose copy is cut short by a kill of the plugin does not start, and does the next time" {
  local run
  on_copy
  volume db
  start filler -v db:/data
  /usr/bin/python3 -c '
import os, sys
for i in range(20000):
    os.close(os.open(f"{sys.argv[1]}/{i}", os.O_CREAT))' "$(at filler)"
  end filler
  snapshot db seed
  start_again "$DRIVER"
  sleep 1
  docker run --rm --network none -v seed:/data test-image true >run.out 2>&1 &
  run=$!
  eventually copying
  kill -STOP "$(plugin_process)"
  grep -F '"count":0' "$POOL"/clones/*/*/clone.json
  kill_plugin
  if wait "$run"; then return 1; fi
  grep -F 'error while mounting volume' run.out
  eventually no_leftovers
  prints 20000 run_in seed 'ls | wc -l'
}

copying() { [[ -n $(find "$POOL"/clones/*/*/fs -name '*0' -print -quit 2>/dev/null) ]]; }

@test "dozens of docker cp while the plugin is killed again and again take nothing from their containers" {
  local i copies=()
  seed
  for i in 1 2 3; do
    start "box$i" -v seed:/data
    inside "box$i" "echo $i >/data/file"
  done
  echo copied >copied
  for i in {1..24}; do
    (docker cp "box$((i % 3 + 1)):/data/file" "got$i" 2>/dev/null || true) &
    copies+=($!)
    (docker cp copied "box$((i % 3 + 1)):/data/copied$i" 2>/dev/null || true) &
    copies+=($!)
    ((i % 8)) && continue
    kill_plugin
    sleep 2 # the engine disables a plugin that dies before the engine has dialled it
  done
  for i in "${copies[@]}"; do wait "$i"; done
  for i in 1 2 3; do
    prints "$i" inside "box$i" 'cat /data/file; rm /data/below/1; rm -f /data/copied*'
    prints 20 inside "box$i" 'echo sealed >/data/below/21; cat /data/below/* | wc -l'
  done
  end box1 box2 box3
  start_again snapclone
  eventually no_leftovers
}

@test "killing the engine while containers come and go leaves nothing" {
  local i runs=()
  tree_in db
  snapshot db seed
  content seed >before
  for i in {1..8}; do
    (run_in seed 'cat greeting; echo changed >greeting' >"run$i" 2>&1 || true) &
    runs+=($!)
  done
  eventually test -s run1
  kill_engine
  for i in "${runs[@]}"; do wait "$i"; done
  docker ps -aq | xargs -r docker rm -f
  content seed | diff before -
  eventually ends_what_the_engine_forgot
}

# A container that was made and not begun yet is a process, "runc init", that waits with its mounts. An engine killed in
# that moment knows nothing of it afterwards.
forgotten() {
  local shim
  for shim in $(pgrep -f -- "-namespace moby .*$ENGINE/"); do pgrep -P "$shim" -f '^runc init' || true; done
}

ends_what_the_engine_forgot() {
  forgotten | xargs -r kill -KILL
  no_leftovers
}

@test "a container that the engine's kill leaves half started keeps its clone until it ends" {
  cat >runtime <<END
#!/bin/sh
case " \$* " in *" start "*) exec $(realpath "$BATS_TEST_DIRNAME/../../scripts")/private-engine kill $ENGINE ;; esac
exec runc "\$@"
END
  chmod +x runtime
  echo "{\"runtimes\": {\"deadly\": {\"path\": \"$PWD/runtime\"}}}" >"$ENGINE/daemon.json"
  restart_engine
  seed
  refused "" docker run --rm --network none --runtime deadly -v seed:/data test-image true
  restart_engine
  echo '{}' >"$ENGINE/daemon.json"
  prints "" docker ps -aq
  prints original run_in seed 'cat file'
  eventually logged "is still in use by a container and is kept until it ends"
  [[ $(forgotten | wc -l) -eq 1 && $(leftovers) == "trash clone-"* ]]
  eventually ends_what_the_engine_forgot
}

@test "a --rm container that the engine's kill took along leaves nothing" {
  seed
  start box --rm -v seed:/data
  inside box 'echo changed >/data/file'
  kill_engine
  refused "No such" docker inspect box
  prints original run_in seed 'cat file'
  eventually no_leftovers
}
