# SPDX-License-Identifier: Apache-2.0
# The plugin or the engine ends without a word, or is told to go while containers run. Named to be the last file.

load lib
load killing

teardown() {
  docker version >/dev/null 2>&1 || engine restart
  is_enabled || docker plugin enable snapclone
  eventually plugin_answers
  finish
}

@test "killing the plugin does not harm running containers" {
  busy_container
  kill_plugin
  is_unharmed
  docker cp box:/data/file got
  prints changed cat got
  is_unharmed
}

@test "after the plugin was killed a clone goes with its container" {
  busy_container
  kill_plugin
  end box
  eventually no_leftovers
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  prints kept run_in work 'cat kept'
}

@test "after the plugin was killed new containers get pristine clones beside the old" {
  busy_container
  kill_plugin
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  prints 1 status seed clones
  is_unharmed
}

@test "after the plugin was killed a mounted volume cannot be made into a snapshot until its container ends" {
  busy_container
  kill_plugin
  refused 'volume "work" is in use by 1 mount' snapshot work frozen
  docker stop box
  snapshot work frozen
  prints kept run_in frozen 'cat kept'
}

@test "after the plugin was killed volumes and snapshots are what they were" {
  tree_in db
  snapshot db seed
  clone_of seed dev
  content dev >before
  kill_plugin
  content seed | diff before -
  content dev | diff before -
  content db | diff before -
}

@test "killing the plugin again and again while containers come and go does not harm a snapshot" {
  local i runs=()
  tree_in db
  snapshot db seed
  content seed >before
  start box -v seed:/data
  inside box 'echo changed >/data/greeting'
  for i in {1..6}; do
    (run_in seed 'cat greeting; echo changed >greeting' >"run$i" 2>&1 || true) &
    runs+=($!)
    ((i % 2)) && continue
    kill_plugin
    sleep 2 # the engine disables a plugin that dies before the engine has dialled it
  done
  for i in "${runs[@]}"; do wait "$i"; done
  # A start may fail, with an error; one that worked has seen the snapshot.
  for i in {1..6}; do grep -qE '^hello$|^docker: ' "run$i"; done
  prints changed inside box 'cat /data/greeting'
  content seed | diff before -
  # What the engine lost track of is known to be unused only after this.
  end box
  start_again snapclone
  eventually no_leftovers
}

@test "killing the engine harms no snapshot and no volume, and leaves no clone" {
  tree_in db
  snapshot db seed
  content seed >before
  volume work
  start box -v seed:/data -v work:/plain
  inside box 'echo changed >/data/greeting; echo kept >/plain/kept; sync'
  kill_engine
  prints 0 status seed clones
  content seed | diff before -
  content db | diff before -
  prints kept run_in work 'cat kept'
  snapshot work frozen
  prints kept run_in frozen 'cat kept'
  eventually no_leftovers
}

@test "a container started again after the engine was killed finds the snapshot pristine" {
  busy_container
  kill_engine
  docker start box
  prints $'original\ninner\nkept' inside box 'cat /data/file /data/dir/inner /plain/kept'
  docker stop box
  eventually no_leftovers
  snapshot work frozen
}

@test "a container removed after the engine was killed leaves nothing" {
  busy_container
  kill_engine
  end box
  prints kept run_in work 'cat kept'
  eventually no_leftovers
}

@test "a container with --restart=always comes back pristine after the engine was killed" {
  seed
  start box --restart=always -v seed:/data
  inside box 'echo changed >/data/file'
  kill_engine
  docker start box # does nothing, unless the engine has lost the plugin's mounts
  eventually inside box true
  prints original inside box 'cat /data/file'
  inside box 'echo changed >/data/file'
}

@test "restarting the engine keeps volumes and snapshots and leaves no clone" {
  tree_in db
  snapshot db seed -o access=ro
  content seed >before
  start box -v seed:/data
  restart_engine
  eventually no_leftovers
  only_volumes db seed
  content seed | diff before -
  content db | diff before -
}

@test "disabling the plugin by force leaves a running container its clone, until it ends" {
  busy_container
  docker plugin disable -f snapclone
  is_unharmed
  docker plugin enable snapclone
  eventually plugin_answers
  is_unharmed
  prints $'original\ninner' run_in seed 'cat file dir/inner'
  sleep 6 # the plugin looks every 5 s whether it can delete the clone
  is_unharmed
  end box
  eventually no_leftovers
}

@test "a volume held since before the plugin was disabled is neither mounted nor made into a snapshot" {
  busy_container
  start_again snapclone
  refused "stop that container" run_in work 'echo other >kept'
  refused 'volume "work" is' snapshot work frozen
  is_unharmed
  end box
  prints $'kept\nmore' run_in work 'cat kept'
  snapshot work frozen
  prints $'kept\nmore' run_in frozen 'cat kept'
}

@test "disabling and enabling the plugin keeps volumes and snapshots" {
  tree_in db
  snapshot db seed
  content seed >before
  start_again snapclone
  only_volumes db seed
  content seed | diff before -
  content db | diff before -
}

@test "a container does not start while the plugin is disabled, and does after" {
  seed
  docker plugin disable -f snapclone
  refused "found but disabled" docker run --rm --network none -v seed:/data test-image true
  docker plugin enable snapclone
  eventually plugin_answers
  prints original run_in seed 'cat file'
}
