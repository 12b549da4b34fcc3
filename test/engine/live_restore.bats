# SPDX-License-Identifier: Apache-2.0
# With "live-restore" plugins and containers run on while the engine is gone. Engines before 20.10.26, 23.0.7 and 24.0.3
# forget meanwhile that containers have mounted something, and mount with old IDs. What they leave behind is counted.

load lib
load killing

setup_file() {
  echo '{"live-restore": true}' >"$ENGINE/daemon.json"
  engine restart
}

teardown_file() {
  echo '{}' >"$ENGINE/daemon.json"
  restart_engine
}

teardown() {
  docker version >/dev/null 2>&1 || engine restart
  finish
}

revive_engine() {
  engine kill
  engine restart
}

# at_most_until_the_plugins_next_start NUMBER: so many clones of containers that have ended. Newer engines leave fewer.
at_most_until_the_plugins_next_start() {
  [[ $(status seed clones) -le $1 ]]
  start_again snapclone
  prints 0 status seed clones
  prints kept run_in work 'head -n 1 kept'
  eventually no_leftovers
}

@test "with live-restore a container runs on while the engine is killed, and its clone goes when it stops" {
  busy_container
  revive_engine
  is_unharmed
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  docker stop box
  eventually no_leftovers
}

@test "with live-restore a container that is started again under its old mount ID finds the snapshot pristine" {
  local i
  busy_container
  revive_engine
  for i in 1 2; do
    docker stop box
    docker start box
    prints $'original\ninner' inside box 'cat /data/file; ls /data/dir'
    inside box 'echo changed >/data/file'
  done
}

@test "with live-restore dozens of docker cp take nothing from a container, and leave one clone at most" {
  local i copies=()
  busy_container
  revive_engine
  for i in {1..24}; do
    docker cp box:/data/file "got$i" &
    copies+=($!)
  done
  for i in "${copies[@]}"; do wait "$i"; done
  is_unharmed
  docker stop box
  at_most_until_the_plugins_next_start 1
}

# Nobody can tell such a start from a docker cp.
@test "with live-restore a container that died while the engine was gone finds its own clone, and leaves one at most" {
  local pids
  busy_container
  start gone --rm -v seed:/data
  start again --restart=always -v seed:/data
  inside again 'echo again >/data/file'
  pids=$(docker inspect -f '{{.State.Pid}}' box gone again)
  engine kill
  # shellcheck disable=SC2086 # one word each
  kill -KILL $pids
  engine restart
  eventually inside again true
  prints again inside again 'cat /data/file'
  docker start box
  is_unharmed
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  docker stop box again
  refused "No such" docker inspect gone
  at_most_until_the_plugins_next_start 3
}

@test "with live-restore a container does not notice that the plugin was killed while the engine was gone" {
  busy_container
  engine kill
  kill -KILL "$(plugin_process)"
  engine restart
  eventually plugin_answers
  is_unharmed
  engine restart
  is_unharmed
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  docker stop box
  eventually no_leftovers
}
