# SPDX-License-Identifier: Apache-2.0
# The program outside a managed plugin, with its socket and pool in the test's directory.

program() { echo "${SNAPCLONE_PROGRAM:-$BATS_TEST_DIRNAME/../../build/snapclone}"; }

starter=()

# serve NAME [OPTION...]: the program on a socket and pool of this test, started by $starter
serve() {
  socket=$BATS_TEST_TMPDIR/$1.sock
  "${starter[@]}" "$(program)" --socket "$socket" --pool "$BATS_TEST_TMPDIR/pool" "${@:2}" >"$1.log" 2>&1 3>&- &
  is_last_job
  eventually test -S "$socket"
}

# What was started last is the program of this test.
is_last_job() { served=$!; }

# The engine finds it by its socket, as $DRIVER.
be_driver() {
  DRIVER=snapclone-test-$$
  mkdir -p /run/docker/plugins
  ln -s "$socket" "/run/docker/plugins/$DRIVER.sock"
}

teardown() {
  end_service
  finish
}

# "wait" alone would wait for the limit on the test's time as well.
# The engine goes on asking a driver it has known once, for 15 s at each "docker volume ls".
end_service() {
  if [[ -n ${DRIVER:-} ]]; then
    rm -f "/run/docker/plugins/$DRIVER.sock"
    restart_engine
  fi
  if [[ -n ${served:-} ]]; then
    kill -TERM "$served" 2>/dev/null || true
    wait "$served" || true
  fi
  umount -R pool/mnt mnt 2>/dev/null || true
  ! mountpoint -q pool || umount -R pool
}

# Asks it to end, and waits for that.
end_it() {
  kill -TERM "$served"
  eventually is_gone "$served"
}

kill_it() {
  kill -KILL "$served"
  wait "$served" || true
}

ask_it() { ask.py "$socket" "$@"; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Deleting goes on in the background.
holds_nothing() { [[ -z $(find pool/layers pool/clones pool/trash -mindepth 2 -print -quit) ]]; }
