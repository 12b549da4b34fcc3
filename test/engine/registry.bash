# SPDX-License-Identifier: Apache-2.0
# A private registry, and what is published there.

plugin() { "$BATS_TEST_DIRNAME/../../scripts/plugin" "$@"; }

# The program under test, in a build directory of this file's own, where "plugin" stages.
use_own_build() {
  export SNAPCLONE_BUILD=$BATS_FILE_TMPDIR/build
  mkdir "$SNAPCLONE_BUILD"
  cp "${SNAPCLONE_PLUGIN_DIR:-$BATS_TEST_DIRNAME/../../build/plugin}/rootfs/usr/bin/snapclone" "$SNAPCLONE_BUILD"
}

# start_registry DIR: keeps everything there; $REGISTRY is its address, on a free port, which nobody else sees.
start_registry() {
  export REGISTRY
  REGISTRY=localhost:$(/usr/bin/python3 -c 'import socket; print(socket.create_server(("", 0)).getsockname()[1])')
  mkdir "$1"
  cat >"$1/config.yml" <<END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $1/data}}
http: {addr: "127.0.0.1:${REGISTRY#*:}"}
END
  timeout 900 docker-registry serve "$1/config.yml" >"$1/log" 2>&1 3>&- &
  echo $! >"$1/pid"
  eventually registry_answers
}

stop_registry() { [[ ! -e $1/pid ]] || kill "$(<"$1/pid")"; }

registry_answers() { (exec 4<>"/dev/tcp/127.0.0.1/${REGISTRY#*:}") 2>/dev/null; }

# staged [VARIANT]: where "plugin stage" puts that one; a variant is POOL=/srv/pool or IMAGE=on
staged() {
  case ${1:-} in
    POOL=?*) echo "$SNAPCLONE_BUILD/plugin-pool" ;;
    IMAGE=?*) echo "$SNAPCLONE_BUILD/plugin-image" ;;
    *) echo "$SNAPCLONE_BUILD/plugin" ;;
  esac
}

# publish TAG [VARIANT]: the plugin, with a file "tag" in its root file system to tell it by
publish() {
  plugin stage "${@:2}" >/dev/null
  echo "$1" >"$(staged "${@:2}")/rootfs/tag"
  TAG=$1 plugin push "$REGISTRY/snapclone" "${@:2}"
}
