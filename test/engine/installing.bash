# SPDX-License-Identifier: Apache-2.0
# Plugins that tests install beside the suite's: $DRIVER, out of the registry or with make.

load registry

needs_xfs() {
  modprobe -q xfs 2>/dev/null || true
  grep -qw xfs /proc/filesystems || skip "this kernel has no xfs"
}

# A test's plugins go with it.
finish_installing() {
  local status=0
  finish || status=1
  docker plugin ls --format '{{.Name}}' | grep -v '^snapclone:latest$' | xargs -r docker plugin rm -f
  return "$status"
}

data_of() { echo "$ENGINE/data/plugins/$(docker plugin inspect -f '{{.Id}}' "$1")/propagated-mount"; }

leftovers() {
  local plugin
  touch "$ENGINE/left-behind"
  for plugin in $(docker plugin ls --filter enabled=true --format '{{.Name}}'); do
    leftovers.py "$(data_of "$plugin")"
  done | grep -vxFf "$ENGINE/left-behind"
}

# called NAME: this test's plugin has no alias
called() { DRIVER=$1; }

# install TAG [SETTING...]: as a user who has read what it asks for
install() {
  docker plugin install --alias "$DRIVER" "$REGISTRY/snapclone:$1" "${@:2}" <<<y >prompt
}

# upgrade_to TAG: of a plugin that is disabled
upgrade_to() { yes | docker plugin upgrade "$DRIVER" "$REGISTRY/snapclone:$1" >prompt; }

# asks_for LINE...: these privileges are all that the last prompt named
asks_for() { diff <(printf ' - %s\n' "$@") <(grep '^ - ' prompt); }

version() { cat "$(data_of "$DRIVER")/../rootfs/tag"; }

setting() { docker plugin inspect -f '{{json .Settings.Env}}' "$DRIVER" | grep -oP "\"$1=\K[^\"]*"; }

# hide VOLUME: behind a local one of the same name, made while the plugin was off and the engine restarted
hide() {
  docker plugin disable -f "$DRIVER"
  restart_engine
  docker volume create "$1"
  docker plugin enable "$DRIVER"
  restart_engine
  prints local docker volume inspect -f '{{.Driver}}' "$1"
}
