# SPDX-License-Identifier: Apache-2.0
# The variant of the plugin that has its pool in an image: installed, upgraded and removed with Docker's own commands and
# with make's.

load lib
load installing

setup_file() {
  needs_xfs
  use_own_build
  start_registry "$BATS_FILE_TMPDIR/registry"
  export DRIVER=imaged
  publish 1 IMAGE=8g
  publish 2 IMAGE=8g
}

teardown_file() { stop_registry "$BATS_FILE_TMPDIR/registry"; }

teardown() { finish_installing; }

has_image() {
  [[ -f $(data_of "$DRIVER")/pool.img ]]
  prints xfs stat -f -c %T "$(data_of "$DRIVER")/pool"
}

# section NAME: all commands of that one of docs/install.md, for this test's plugin
section() {
  cat >prelude <<END
make() {
  "$BATS_TEST_DIRNAME/../../scripts/plugin" stage "\${@:2}"
  "$BATS_TEST_DIRNAME/../../scripts/plugin" "\$1" "$DRIVER" "\${@:2}"
}
END
  run_page.py "$BATS_TEST_DIRNAME/../../docs/install.md#$1" prelude snapclone="$DRIVER"
}

is_gone() { prints snapclone:latest docker plugin ls --format '{{.Name}}'; }

@test "the variant with an image, granted all devices, keeps its pool in one" {
  install 1-image
  asks_for 'allow-all-devices: [true]' 'capabilities: [CAP_SYS_ADMIN CAP_DAC_READ_SEARCH]'
  fill
  has_image
  prints true status seed pool.reflinks
  is_unchanged
}

@test "IMAGE=off given when it is installed makes the pool a directory" {
  install 1-image IMAGE=off
  volume db
  [[ -e $(data_of "$DRIVER")/pool/volumes/db && ! -e $(data_of "$DRIVER")/pool.img ]]
}

@test "the installing page's commands install the variant with an image and remove it" {
  section with-the-pool-in-an-image
  volume db
  has_image
  section remove
  is_gone
}

@test "an upgrade loses nothing in the image, not even what a running container has in its clone" {
  install 1-image
  fill
  start box -v seed:/data
  inside box 'echo mine >/data/greeting; rm -r /data/deep'
  manifest box >box-before
  docker plugin disable -f "$DRIVER"
  upgrade_to 2-image
  asks_for 'allow-all-devices: [true]' 'capabilities: [CAP_SYS_ADMIN CAP_DAC_READ_SEARCH]'
  docker plugin enable "$DRIVER"
  prints 2 version
  manifest box | diff box-before -
  end box
  has_image
  is_unchanged
}

@test "a disabled plugin with an image is not removed, because nobody sees its volumes" {
  install 1-image
  fill
  docker plugin disable -f "$DRIVER"
  [[ ! -e $(data_of "$DRIVER")/pool/volumes/db ]]
  refused "is disabled, so nobody can say which volumes it has" plugin uninstall "$DRIVER"
  refused "failed with status" section remove
  docker plugin enable "$DRIVER"
  refused "has these volumes, and they would be deleted with it" plugin uninstall "$DRIVER"
  is_unchanged
}

@test "an image that only the plugin has mounted keeps it from being removed" {
  install 1-image
  mount --make-private "$(data_of "$DRIVER")"
  umount "$(data_of "$DRIVER")/pool"
  refused "has an image that may hold volumes" plugin uninstall "$DRIVER"
  refused "failed with status" section remove
  prints true docker plugin inspect -f '{{.Enabled}}' "$DRIVER"
}

@test "a plugin without volumes is uninstalled together with its image" {
  local data
  install 1-image
  data=$(data_of "$DRIVER")
  volume db
  has_image
  docker volume rm db
  prints "The plugin \"$DRIVER:latest\" is removed. It had no volumes." plugin uninstall "$DRIVER"
  [[ ! -e $data ]]
}

@test "nothing removes it while a volume in the image does not show in the engine's list" {
  install 1-image
  volume db
  run_in db 'echo here >table'
  hide db
  refused "has volumes that \"docker volume ls\" does not show" plugin uninstall "$DRIVER"
  grep -xF db out
  refused "failed with status" section remove
  docker volume rm db
  prints here run_in db 'cat table'
  section remove
  is_gone
}

@test "an engine takes the ordinary plugin and variants that were staged at the same moment" {
  local variant
  for variant in '' IMAGE=on IMAGE=8g; do
    # shellcheck disable=SC2086 # none, or one word
    plugin stage $variant
    find "$(staged $variant)" -exec touch -d @0 {} +
    # shellcheck disable=SC2086
    docker plugin create "staged-${variant#*=}x" "$(staged $variant)"
  done
}
