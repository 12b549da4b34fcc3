# SPDX-License-Identifier: Apache-2.0
# Ends the plugin or the engine without a word, and looks after a container that must not notice.

# aim: what follows is about the plugin $DRIVER, until the test has ended
aim() { PLUGIN_ID=$(docker plugin inspect -f '{{.Id}}' "$DRIVER"); }

kill_plugin() {
  local pid
  pid=$(plugin_process)
  kill -KILL "$pid"
  eventually plugin_is_not "$pid"
  eventually plugin_answers
}

plugin_is_not() {
  local pid
  pid=$(plugin_process) && [[ $pid != "$1" ]]
}

kill_engine() {
  engine kill
  restart_engine
}

# kill_at METHOD before|after|hang [NUMBER]: the plugin will be killed at that request, or hang (kill_at.py). With
# $patience the engine waits for so many seconds only.
kill_at() {
  # A plugin that has just started has no connections to the engine yet.
  start_again "${DRIVER:-snapclone}" ${patience:+--timeout "$patience"}
  sleep 1 # the engine disables a plugin that dies before the engine has dialled it
  timeout 100 kill_at.py "/run/docker/plugins/$PLUGIN_ID/snapclone.sock" "$1" "$2" "${3:-1}" "$(plugin_process)" \
    >kill_at.log 2>&1 3>&- &
  killer=$!
  eventually test -S "/run/docker/plugins/$PLUGIN_ID/snapclone.sock.behind"
}

# It did come to that, and the plugin is back.
was_killed() {
  wait "$killer"
  eventually plugin_answers
}

end_killer() {
  [[ -z ${killer:-} ]] || ! kill "$killer" 2>/dev/null || start_again "${DRIVER:-snapclone}"
}

seed() {
  volume db
  # shellcheck disable=SC2016 # for the container's shell
  run_in db 'echo original >file; mkdir dir below; echo inner >dir/inner
    for i in $(seq 20); do echo sealed >below/$i; done'
  snapshot db seed
}

# A container with a clone it has written to, and a volume.
busy_container() {
  docker volume inspect seed >/dev/null 2>&1 || seed
  volume work
  start box -v seed:/data -v work:/plain
  inside box 'echo changed >/data/file; rm /data/dir/inner; echo kept >/plain/kept'
}

# Also what it has never looked at before, and so is not in any cache.
is_unharmed() {
  looked=$((${looked:-0} + 1))
  prints sealed inside box "cat /data/below/$looked"
  prints $'changed\nkept' inside box 'cat /data/file; head -n 1 /plain/kept; ls /data/dir'
  inside box 'echo more >/data/more; echo more >>/plain/kept; sync'
  prints $'more\nmore' inside box 'cat /data/more; tail -n 1 /plain/kept'
}
